"""What the page of a classification shows that its tally does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.class_tally import ClassTally
from nowcast.report.training_facts import Curve, Curves, Figure, TrainingFacts

__all__ = ["ClassFacts", "Curve", "Curves", "DataFacts", "Figure", "RunFacts", "TrainingFacts"]


@dataclass(frozen=True)
class DataFacts:
    """Where the images come from.

    Args:
        title: For the headline, "Fashion-MNIST".
        classes: Their names, by label.
        image: "28 × 28 pixels, grey".
        train: Number of images that trained.
        validation: Number of images that chose the checkpoint; 0 if none did.
        test: Number of images in the test split.
        validation_from: How the validation images were set apart.
        provider: Who made them.
        licence: On what terms.
        refused: One line for each image that could not be read.
    """

    title: str
    classes: tuple[str, ...]
    image: str
    train: int
    validation: int
    test: int
    validation_from: str = ""
    provider: str = ""
    licence: str = ""
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFacts(TrainingFacts):
    """One network, how it was trained and how it did on the test images.

    Args:
        tally: Of the test images.
        images_per_second_inference: In evaluation.
        correct: (N,) bool, which test images were right, in the order of the split. Runs that have
            it are compared image by image.
    """

    tally: ClassTally
    images_per_second_inference: float | None = None
    correct: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class ClassFacts:
    """All that the page of a classification shows.

    Args:
        title: Headline.
        data: The images.
        run: Whose page it is.
        others: Runs on the same data to compare it with.
        images: Index in the test split → pixels 0 to 255, (H, W), (1, H, W) or (3, H, W), of the
            images of `run.tally.mistakes` and `run.tally.least_sure`; those absent are not drawn.
        inside: Pictures of the inside of the network, in reading order; wide ones are shown last.
        code_version: Of this program.
        machine: What it ran on.
        seconds: Stage → wall-clock time.
    """

    title: str
    data: DataFacts
    run: RunFacts
    others: tuple[RunFacts, ...] = ()
    images: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    inside: tuple[Figure, ...] = ()
    code_version: str = ""
    machine: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[RunFacts, ...]:
        """The run and the others."""
        return (self.run, *self.others)

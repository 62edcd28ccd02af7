"""What the page of a classification shows that its tally does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.class_tally import ClassTally


@dataclass(frozen=True)
class Curve:
    """A number in the course of a run.

    Args:
        epochs: Of each value, rising; may be fractions.
        values: NaN where undefined.
    """

    epochs: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.epochs) != len(self.values):
            raise ValueError(
                f"curve: expected as many values as epochs, found {len(self.values)} and "
                f"{len(self.epochs)}"
            )


@dataclass(frozen=True)
class Curves:
    """What a run wrote down of itself; `nowcast.report.class_curves.read_curves` makes it.

    Args:
        loss: Of the training images.
        validation_loss: Of the validation images.
        accuracy: Of the training images, 0 to 1.
        validation_accuracy: Of the validation images, 0 to 1.
        learning_rate: Of the optimiser.
    """

    loss: Curve | None = None
    validation_loss: Curve | None = None
    accuracy: Curve | None = None
    validation_accuracy: Curve | None = None
    learning_rate: Curve | None = None


@dataclass(frozen=True)
class Figure:
    """A picture of the inside of a network.

    Args:
        title: Its heading.
        png: Its address, a data URI of a picture drawn twice as fine as it is shown.
        alt: What it shows, for those who do not see it.
        sentence: How to read it.
    """

    title: str
    png: str
    alt: str
    sentence: str = ""


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
class RunFacts:
    """One network, how it was trained and how it did on the test images.

    Args:
        name: Of the recipe, also its title unless one is given.
        tally: Of the test images.
        title: For readers.
        network: What it is, in a few words.
        recipe: Name → value of what decided the training, as readers should see them.
        curves: Its course.
        parameters: Number of weights.
        trained_parameters: Of these, not frozen; None if all.
        multiply_adds: Of one image forward.
        epochs: Trained.
        best_epoch: Of the checkpoint that was evaluated.
        seconds_training: Wall clock, with validation.
        images_per_second: In training.
        images_per_second_inference: In evaluation.
        correct: (N,) bool, which test images were right, in the order of the split. Runs that have
            it are compared image by image.
        checkpoint: Its hash.
        note: Anything else in a sentence.
    """

    name: str
    tally: ClassTally
    title: str = ""
    network: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    parameters: int | None = None
    trained_parameters: int | None = None
    multiply_adds: int | None = None
    epochs: float | None = None
    best_epoch: float | None = None
    seconds_training: float | None = None
    images_per_second: float | None = None
    images_per_second_inference: float | None = None
    correct: NDArray[np.bool_] | None = None
    checkpoint: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        """Its title, or its name."""
        return self.title or self.name


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

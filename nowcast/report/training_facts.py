"""What a page tells of a network's training, whatever it was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any


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
    """What a run wrote down of itself; `nowcast.report.classes.curves.read_curves` makes it.

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
class TrainingFacts:
    """One network and how it was trained.

    Args:
        name: Of the recipe, also its title unless one is given.
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
        checkpoint: Its hash.
        note: Anything else in a sentence.
    """

    name: str
    _: KW_ONLY
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
    checkpoint: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        """Its title, or its name."""
        return self.title or self.name

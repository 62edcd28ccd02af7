"""What a segmentation is asked for, and by which recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nowcast.recipes import RECIPES, Recipe
from nowcast.recipes.cleaning import CLEANING
from nowcast.tasks import SegmentTask
from pipeline.masks import MaskSet, MaskSplit
from pipeline.masks.intensity import NORMALISATIONS, Normalisation
from pipeline.masks.samples import BORDER_CLASSES

MEMBRANE = "membrane"


@dataclass(frozen=True)
class Segmentation:
    """What to segment, by which recipe, where to write.

    Args:
        data: An image set of the catalog, or a folder of images and masks.
        recipe: A name in RECIPES.
        out: Folder of the runs, the scores, the predictions and the page.
        compare: More recipes, for the same pictures and the same split.
        crop: Side of the pieces that train, in pixels; None for that of the recipe.
        epochs: Passes over the training pictures; None for the recipe's steps.
        steps: Of the optimiser, instead of epochs; None for those of the recipe.
        seed: Of the weights and the batches; None for that of the recipe.
        limit: At most so many training pictures, evenly chosen; None for all.
        flips: Whether test pictures are answered as the mean over their mirror images.
        normalise: How the brightness of pictures is made comparable, a name in NORMALISATIONS;
            None for "nuclei" where masks hold objects and "none" where they hold classes.
        tile: Greatest side of the pieces that a whole picture is answered in, in pixels.
    """

    data: str
    recipe: str
    out: Path
    compare: tuple[str, ...] = ()
    crop: int | None = None
    epochs: float | None = None
    steps: int | None = None
    seed: int | None = None
    limit: int | None = None
    flips: bool = False
    normalise: str | None = None
    tile: int = 1088

    def __post_init__(self) -> None:
        names = (self.recipe, *self.compare)
        if len(set(names)) < len(names):
            raise ValueError(
                f"segmentation: expected each recipe once, found {', '.join(names)}; "
                "leave out what is named twice"
            )
        if self.epochs is not None and self.steps is not None:
            raise ValueError(
                f"segmentation: expected epochs or steps, found {self.epochs:g} epochs and "
                f"{self.steps} steps; leave one out"
            )
        for name in ("crop", "epochs", "steps", "limit", "tile"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"segmentation: expected {name} > 0, found {value}")


def find_segment_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: If there is none, or it does not name the pixels of pictures.
    """
    others = {recipe.name for recipe in CLEANING}
    fitting = sorted(
        key
        for key, recipe in RECIPES.items()
        if isinstance(recipe.task, SegmentTask) and key not in others
    )
    if name not in fitting:
        raise ValueError(f"no recipe {name!r} that segments; there are {', '.join(fitting)}")
    return RECIPES[name]


def normalisation(request: Segmentation, images: MaskSet) -> Normalisation:
    """How the brightness of pictures is made comparable.

    Raises:
        ValueError: If there is no such way.
    """
    usual: Normalisation = "nuclei" if images.kind == "instances" else "none"
    wanted = request.normalise or usual
    for known in NORMALISATIONS:
        if known == wanted:
            return known
    raise ValueError(f"no normalisation {wanted!r}; there are {', '.join(NORMALISATIONS)}")


def need_objects(place: Path, split: MaskSplit) -> None:
    """Refuse pictures to train on whose masks number objects and hold none.

    Args:
        place: Where they lie, for a message.
        split: The pictures.

    Raises:
        ValueError: If no mask holds an object.
    """
    if split.kind != "instances" or any((split.label(i) > 0).any() for i in range(len(split))):
        return
    raise ValueError(
        f"{place}: expected objects numbered from 1 in masks of training, found none in all "
        f"{len(split)}; number the objects, or add pictures that show some"
    )


def has_membranes(images: MaskSet) -> bool:
    """Whether masks are lines of membrane, class 0, around cells."""
    return images.kind == "semantic" and images.classes[0] == MEMBRANE


def task_of(recipe: Recipe) -> SegmentTask:
    """Its task.

    Raises:
        TypeError: If it does not name pixels.
    """
    if not isinstance(recipe.task, SegmentTask):
        found = type(recipe.task).__name__
        raise TypeError(f"{recipe.name}: expected a recipe of SegmentTask, found {found}")
    return recipe.task


def outlined(recipe: Recipe, images: MaskSet) -> bool:
    """Whether the network learns the outlines of objects as a class of their own."""
    return images.kind == "instances" and task_of(recipe).classes == len(BORDER_CLASSES)

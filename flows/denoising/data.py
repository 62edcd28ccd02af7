"""Images and recipes of a denoising: what is trained on which noise, and at which levels judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from flows.images.runs import ImageRun, Trained, train_recipe
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.recipes.cleaning import CLEANING
from nowcast.tasks import DenoiseTask
from nowcast.training import Progress
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet, Part
from pipeline.noise import NOISES, Noise, noise_of
from pipeline.noisy import NoisyBatches
from pipeline.photographs import PHOTOGRAPHS, photographs

PHOTOGRAPH_SIDE = 64
REMOTE = ("s3://", "icechunk:")


@dataclass(frozen=True)
class Denoising:
    """What to restore, by which recipe, where to write.

    Args:
        data: An image set of the catalog, a folder of class folders, "skimage" for the photographs
            of scikit-image, or a store of radar (.zarr), or several of them parted by commas.
        recipe: A name in RECIPES.
        out: Folder of the runs, the scores and the page.
        compare: More recipes, for the same images.
        noise: Its kind, to train and judge on in place of the recipe's.
        levels: Of the noise, at which to judge, and over which a noise that is not the recipe's
            is drawn in training; empty for those of the recipes.
        size: Side of the images in pixels; None for their own.
        epochs: Passes over the training images; None for those of the recipe.
        seed: Of the weights and the batches; None for that of the recipe.
        limit: At most so many training images, evenly chosen; None for all.
        judge: At most so many test images, evenly chosen, for all methods alike.
        against: Classic methods to judge beside; None for all that are installed.
        classifier: A checkpoint whose features tell how far generated images are from real ones.
        tests: Stores of radar that never train, for the figures; image sets have their own.
    """

    data: str
    recipe: str
    out: Path
    compare: tuple[str, ...] = ()
    noise: str | None = None
    levels: tuple[float, ...] = ()
    size: int | None = None
    epochs: float | None = None
    seed: int | None = None
    limit: int | None = None
    judge: int = 1000
    against: tuple[str, ...] | None = None
    classifier: Path | None = None
    tests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.recipe, *self.compare)
        if len(set(names)) < len(names):
            raise ValueError(
                f"denoising: expected each recipe once, found {', '.join(names)}; "
                "leave out what is named twice"
            )
        for name in ("size", "epochs", "limit", "judge"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"denoising: expected {name} > 0, found {value}")

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores of radar among the data; none where they are images."""
        parts = tuple(self.data.split(","))
        return parts if all(map(_is_store, parts)) else ()

    def refuse_radar(self) -> None:
        """Refuse what stores of radar alone can be asked for.

        Raises:
            ValueError: If several data are named, or test stores, or a cleaner of radar.
        """
        if "," in self.data and not Path(self.data).exists():
            raise ValueError(
                f"--data: expected one set of images, or several stores of radar (.zarr), found "
                f"{' and '.join(self.data.split(','))}; name one set"
            )
        if self.tests:
            raise ValueError(
                f"--test: expected stores of radar (.zarr) as data, found {self.data!r}; a set of "
                "images has test images of its own"
            )
        for name in (self.recipe, *self.compare):
            if name in {recipe.name for recipe in CLEANING}:
                raise ValueError(
                    f"recipe {name!r}: expected stores of radar (.zarr) as data, found "
                    f"{self.data!r}; give --data STORE.zarr, or a recipe for images"
                )


def _is_store(data: str) -> bool:
    path = Path(data)
    return data.startswith(REMOTE) or path.suffix == ".zarr" or (path / "zarr.json").is_file()


class Unlabelled:
    """Batches of images that are their own target.

    Args:
        batches: Their labels are dropped.
    """

    def __init__(self, batches: ImageLoader) -> None:
        self.batches = batches

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold every image once."""
        return self.batches.steps_per_epoch

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        return (Batch(batch.frames) for batch in self.batches.stream(start, stop))

    def sweep(self) -> Iterator[Batch]:
        """Every image once, in order."""
        return (Batch(batch.frames) for batch in self.batches.sweep())


@dataclass(frozen=True)
class DenoiseRun:
    """A recipe, the images that it meets and the noise on them.

    Args:
        images: Clean ones, with the recipe.
        noise: On which it is trained; None to reproduce clean images.
    """

    images: ImageRun
    noise: Noise | None

    @property
    def recipe(self) -> Recipe:
        """Fitted to the images."""
        return self.images.recipe

    def trained(self, resume: bool, progress: Progress | None) -> Trained:
        """The best network by the recipe.

        Raises:
            ValueError: As `fit` does.
        """
        run = self.images
        train, validation = (self._posed(part) for part in (run.train, run.validation))
        told = run.provenance()
        return train_recipe(run.recipe, train, validation, run.folder, resume, progress, told)

    def _posed(self, loader: ImageLoader) -> Unlabelled | NoisyBatches:
        if self.noise is None:
            return Unlabelled(loader)
        return NoisyBatches(loader, self.noise, self.recipe.seed)


def open_images(data: str, size: int | None) -> ImageSet:
    """The image set of a name or a folder; the photographs of scikit-image by their name.

    Raises:
        ValueError: As `ImageSet.open` does, or if there are too few images for every part.
    """
    if data == PHOTOGRAPHS:
        return photographs(size or PHOTOGRAPH_SIDE)
    try:
        images = ImageSet.open(data)
    except ValueError as error:
        if "found neither" not in str(error):
            raise
        told = f"or {PHOTOGRAPHS!r}, the photographs of scikit-image, or a store of radar (.zarr)"
        raise ValueError(f"{error} ({told})") from error
    parts: tuple[Part, ...] = ("train", "validation", "test")
    counts = {part: len(images.split(part)) for part in parts}
    if not all(counts.values()):
        found = ", ".join(f"{count} for {part}" for part, count in counts.items())
        raise ValueError(
            f"{images.path}: expected images for train, validation and test, 3 of a class or more, "
            f"found {sum(counts.values())} ({found}); add images"
        )
    return images


def run_of(asked: Denoising, images: ImageSet, name: str) -> DenoiseRun:
    """A recipe by its name, fitted to the images and to the noise that was asked for.

    Raises:
        ValueError: If there is no such recipe, it is of another task, or its noise is none of
            pictures.
    """
    recipe = find_recipe(name)
    known = sorted(each for each, held in RECIPES.items() if isinstance(held.task, DenoiseTask))
    if name not in known:
        found = type(recipe.task).__name__
        raise ValueError(
            f"recipe {name!r}: expected one that restores images, found one of {found}; "
            f"there are {known}"
        )
    channels = images.channels
    recipe = recipe.for_images(len(images.classes), channels, asked.size or _side(images))
    recipe = replace(
        recipe,
        epochs=recipe.epochs if asked.epochs is None else asked.epochs,
        seed=recipe.seed if asked.seed is None else asked.seed,
        noise=_noise_of(asked, recipe),
    )
    noise = noise_of(recipe.noise) if recipe.noise else None
    if noise is not None and NOISES[noise.kind].radar:
        raise ValueError(
            f"recipe {name!r}: expected noise of pictures, found {noise.kind!r}, which is of "
            "reflectivity; give a store of radar (.zarr), or name other noise"
        )
    return DenoiseRun(ImageRun(images, recipe, asked.out / "runs" / name, asked.limit), noise)


def _noise_of(asked: Denoising, recipe: Recipe) -> dict[str, object]:
    """What trains: the recipe's noise, or that which was asked for over the asked levels."""
    own = dict(recipe.noise)
    if asked.noise is None or (asked.noise == own.get("kind") and not asked.levels):
        return own
    if not asked.levels:
        raise ValueError(
            f"noise {asked.noise!r}: expected a level with it, found none, for recipe "
            f"{recipe.name!r} has none of this kind; add --level"
        )
    return {"kind": asked.noise, "level": (min(asked.levels), max(asked.levels))}


def _side(images: ImageSet) -> int | None:
    """That of the images, where all are alike and square."""
    size = images.size
    return size[0] if size is not None and size[0] == size[1] else None

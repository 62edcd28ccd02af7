"""Images and recipes of a denoising: what is trained on which noise, and at which levels judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flows.images.runs import ImageRun, Trained, train_recipe
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.tasks import DenoiseTask
from nowcast.training import Progress
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet
from pipeline.noise import NOISES, Noise, noise_of
from pipeline.noisy import NoisyBatches
from pipeline.photographs import PHOTOGRAPHS, photographs

PHOTOGRAPH_SIDE = 64
LEVELS = 5
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

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores of radar among the data; none where they are images."""
        parts = tuple(self.data.split(","))
        return parts if all(map(_is_store, parts)) else ()


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
        ValueError: As `ImageSet.open` does.
    """
    if data == PHOTOGRAPHS:
        return photographs(size or PHOTOGRAPH_SIDE)
    try:
        return ImageSet.open(data)
    except ValueError as error:
        if "found neither" not in str(error):
            raise
        told = f"or {PHOTOGRAPHS!r}, the photographs of scikit-image, or a store of radar (.zarr)"
        raise ValueError(f"{error} ({told})") from error


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


def noise_to_judge(
    asked: Denoising, runs: Sequence[DenoiseRun]
) -> tuple[Noise | None, tuple[float, ...]]:
    """On which noise all methods are judged, and at which levels, rising.

    The noise is that of the first recipe that has one; the levels those asked for, or the level
    that all recipes share, or some over the range of all.

    Raises:
        ValueError: If a level is outside the sense of the noise, or there is no noise to have it.
    """
    noise = next((run.noise for run in runs if run.noise is not None), None)
    if noise is None:
        if asked.levels:
            raise ValueError(
                f"--level: expected noise that has a level, found recipe "
                f"{runs[0].recipe.name!r}, which has none; name it with --noise"
            )
        return None, ()
    held = [run.noise.level for run in runs if run.noise and run.noise.kind == noise.kind]
    levels = sorted({*asked.levels} or spread_levels(held))
    for level in levels:
        noise.at(level)
    return noise, tuple(levels)


def spread_levels(held: Sequence[tuple[float, float]]) -> set[float]:
    """Levels to judge at, of recipes' lowest and highest ones.

    Each that is the only one of a recipe, and some over the range of all, not next to those.
    """
    fixed = {low for low, high in held if low == high}
    least, most = min(low for low, _ in held), max(high for _, high in held)
    between = {float(f"{level:.2g}") for level in np.linspace(least, most, LEVELS)}
    apart = (most - least) / (2 * LEVELS)
    return fixed | {level for level in between if all(abs(level - one) >= apart for one in fixed)}


def main_level(levels: Sequence[float], first: Noise | None) -> float:
    """That of the first recipe if it has one level, else the middle one."""
    if first is not None and first.level[0] == first.level[1] and first.level[0] in levels:
        return first.level[0]
    return levels[len(levels) // 2]

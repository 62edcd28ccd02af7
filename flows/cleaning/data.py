"""Stores and recipe of a cleaner of radar: what trains on which noise, and what tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from flows.denoising.data import Denoising
from flows.images.runs import Trained, train_recipe
from nowcast.cleaner import EchoBatches
from nowcast.recipes import Recipe, find_recipe
from nowcast.training import Progress
from pipeline.noise import NOISES, noise_of
from pipeline.places import place_of
from pipeline.radar_frames import RadarFrames, Record
from pipeline.store import Store

OWN_TEST = (0.65, 0.15)
OTHERS_TEST = (0.8,)
LEVEL = 0.5


@dataclass(frozen=True)
class RadarCleaning:
    """What to clean, by which recipe, where to write.

    Args:
        stores: Addresses of the stores whose frames train and choose the weights.
        out: Folder of the run, the scores and the page.
        tests: Stores for the figures alone; by default the last fifth of each of `stores`.
        recipe: A name in RECIPES.
        noise: Its kind, to train and judge on in place of the recipe's.
        levels: First the level at which to judge; LEVEL if empty. Several are the range of training
            too where the noise is not the recipe's.
        steps: Of training; None for those of the recipe.
        seed: Of the weights and the batches; None for that of the recipe.
        frames: At most so many of each store are judged, evenly chosen.
    """

    stores: tuple[str, ...]
    out: Path
    tests: tuple[str, ...] = ()
    recipe: str = "radar-cleaner"
    noise: str | None = None
    levels: tuple[float, ...] = ()
    steps: int | None = None
    seed: int | None = None
    frames: int = 8

    @classmethod
    def of(cls, request: Denoising) -> RadarCleaning:
        """What a request for images asks of radar; its data are stores.

        An epoch counts as the steps from one validation to the next.
        """
        epoch = find_recipe(request.recipe).validate_every
        return cls(
            request.stores,
            request.out,
            request.tests,
            request.recipe,
            request.noise,
            request.levels,
            None if request.epochs is None else max(round(request.epochs * epoch), 1),
            request.seed,
            min(request.judge, cls.frames),
        )


@dataclass(frozen=True)
class Pieces:
    """Which frames train, choose and test."""

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    apart: bool

    @classmethod
    def of(cls, request: RadarCleaning) -> Pieces:
        """The frames of the request's stores; without test stores each store's last fifth tests.

        Raises:
            ValueError: If a store trains and tests, or has too few frames.
        """
        train_at = {_resolved(address) for address in request.stores}
        both = sorted(address for address in request.tests if _resolved(address) in train_at)
        if both:
            raise ValueError(
                f"{both[0]}: expected other stores to test than to train, found it among both"
            )
        records = [Record.whole(Store.open(address)) for address in request.stores]
        others = tuple(Record.whole(Store.open(address)) for address in request.tests)
        split = [record.split(*(OTHERS_TEST if others else OWN_TEST)) for record in records]
        train, validation, *own = zip(*split, strict=True)
        return cls(train, validation, others or own[0], bool(others))

    def provenance(self) -> dict[str, str]:
        """For the checkpoint; changes when other frames would train."""
        digest = hashlib.sha256()
        for record in (*self.train, *self.validation):
            hashes = record.store.content_hash[record.slots]
            digest.update("".join([record.store.product, *hashes]).encode())
        return {
            "fingerprint": digest.hexdigest()[:32],
            "stores": ", ".join(str(record.store.address) for record in self.train),
        }


def _resolved(address: str) -> str:
    """The same for all ways to write the address of one store, of any of its states."""
    place = place_of(address)
    path = getattr(place, "path", None)
    return str(path.resolve()) if isinstance(path, Path) else place.address


def recipe_of(request: RadarCleaning) -> Recipe:
    """The recipe as the request changes it.

    Raises:
        ValueError: If the recipe or the noise is unknown, or the noise is none of radar.
    """
    recipe = find_recipe(request.recipe)
    noise = dict(recipe.noise)
    if request.noise is not None:
        levels = request.levels or (LEVEL,)
        noise = {"kind": request.noise, "level": (min(levels), max(levels))}
    if not noise or not NOISES[noise_of(noise).kind].radar:
        raise ValueError(
            f"recipe {recipe.name!r}: expected a noise of radar, found {noise.get('kind')!r}; "
            "take recipe 'radar-cleaner' and noise 'radar', 'receiver', 'clutter' or 'spikes'"
        )
    steps = recipe.steps if request.steps is None else request.steps
    return replace(
        recipe,
        noise=noise,
        steps=steps,
        validate_every=min(recipe.validate_every, steps),
        warmup=min(recipe.warmup, steps // 4),
        seed=recipe.seed if request.seed is None else request.seed,
    )


def train_cleaner(
    recipe: Recipe,
    pieces: Pieces,
    folder: Path,
    resume: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Train on noisy crops of the frames; `fit` keeps the weights best on the validation's."""
    noise = noise_of(recipe.noise)
    shape = recipe.batch_size, recipe.crop, recipe.seed
    train = RadarFrames(pieces.train, noise, *shape, augment=recipe.augment)
    validation = RadarFrames(pieces.validation, noise, *shape, augment=False)
    told = pieces.provenance()
    batches = EchoBatches(train), EchoBatches(validation)
    return train_recipe(recipe, *batches, folder, resume, progress, told)

"""A recipe of a segmentation and the pictures that it meets: its loaders and its training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from flows.images.runs import Trained, train_recipe
from flows.segmentation.data import (
    Segmentation,
    find_segment_recipe,
    need_objects,
    normalisation,
    outlined,
    task_of,
)
from nowcast.recipes import Recipe
from nowcast.scaling import MeanDeviation, MinMax, Scaling
from nowcast.training import Progress
from pipeline.deformation import Deformation
from pipeline.masks import MaskLoader, MaskSet, MaskSplit
from pipeline.masks.intensity import Normalisation
from pipeline.masks.pixel_weights import PixelWeights
from pipeline.masks.samples import BORDER_CLASSES, Target

UNSTATED_GRID = 32


@dataclass
class SegmentRun:
    """A recipe and the pictures that it meets.

    Args:
        images: The set.
        recipe: Fitted to it.
        folder: Of the run.
        normalise: See `pipeline.masks.intensity.normalised`.
        limit: At most so many training pictures.
    """

    images: MaskSet
    recipe: Recipe
    folder: Path
    normalise: Normalisation
    limit: int | None = None

    @property
    def target(self) -> Target:
        """What the network learns to name: objects' insides, or those and their outlines."""
        return "border" if outlined(self.recipe, self.images) else "separated"

    @cached_property
    def train(self) -> MaskLoader:
        """What training draws."""
        recipe = self.recipe
        deformation = Deformation.of(recipe.augmentation) if recipe.augmentation else None
        return self._loader(evenly(self.images.split("train"), self.limit), deformation)

    @cached_property
    def validation(self) -> MaskLoader:
        """What chooses the checkpoint, the threshold and how objects are separated."""
        return self._loader(self.images.split("validation"))

    def _loader(self, split: MaskSplit, deformation: Deformation | None = None) -> MaskLoader:
        recipe, weights = self.recipe, self.recipe.pixel_weights
        network = recipe.build_network()
        margin = int(getattr(network, "margin", 0))
        multiple = int(getattr(network, "multiple", 1 if margin else UNSTATED_GRID))
        training = split.name == "train"
        balanced = bool(weights) and PixelWeights.of(weights).balance and not training
        return MaskLoader(
            split,
            recipe.batch_size,
            recipe.crop,
            recipe.task.inputs,
            recipe.seed,
            deformation,
            PixelWeights.of(weights) if weights else None,
            margin=margin,
            multiple=multiple,
            normalise=self.normalise,
            target=self.target,
            by_class=self.train.samples.by_class if balanced else None,
        )

    def trained(self, resume: bool, progress: Progress | None) -> Trained:
        """Train, and load the best checkpoint.

        Raises:
            ValueError: As `train_recipe` does.
        """
        told = self.provenance()
        return train_recipe(
            self.recipe, self.train, self.validation, self.folder, resume, progress, told
        )

    def provenance(self) -> dict[str, str]:
        """For the checkpoint; changes when other pictures would train, or in another way."""
        digest = hashlib.sha256(self.images.name.encode())
        for loader in (self.train, self.validation):
            split = loader.split
            pictures = [(split.name_of(i), split.size_of(i)) for i in range(len(split))]
            digest.update(repr((pictures, loader.shape, self.normalise, self.target)).encode())
        return {"fingerprint": digest.hexdigest()[:32], "images": self.images.name}


def run_of(request: Segmentation, images: MaskSet, name: str) -> SegmentRun:
    """A recipe, fitted to the pictures and to what was asked for.

    Raises:
        ValueError: If there is no such recipe or normalisation, it does not fit the pictures, or
            there is no object to train on.
    """
    recipe, normalise = find_segment_recipe(name), normalisation(request, images)
    channels = 1 if normalise == "nuclei" else images.channels
    classes = len(BORDER_CLASSES) if outlined(recipe, images) else len(images.classes)
    recipe = _timed(recipe.for_images(classes, channels, request.crop), request)
    run = SegmentRun(images, recipe, request.out / "runs" / name, normalise, request.limit)
    need_objects(images.path, run.train.split)
    task = replace(task_of(recipe), scaling=_scaling(run))
    return replace(run, recipe=replace(recipe, task=task))


def evenly(split: MaskSplit, limit: int | None) -> MaskSplit:
    """At most so many pictures of a part, spread evenly over it."""
    if limit is None or limit >= len(split):
        return split
    chosen = np.linspace(0, len(split) - 1, limit).round().astype(int)
    return replace(split, pairs=tuple(split.pairs[i] for i in chosen))


def _timed(recipe: Recipe, request: Segmentation) -> Recipe:
    seed = recipe.seed if request.seed is None else request.seed
    recipe = replace(recipe, seed=seed)
    if request.epochs is not None:
        return replace(recipe, epochs=request.epochs)
    if request.steps is None:
        return recipe
    return replace(
        recipe,
        epochs=None,
        steps=request.steps,
        warmup=min(recipe.warmup, request.steps // 4),
        validate_every=min(recipe.validate_every, request.steps),
    )


def _scaling(run: SegmentRun) -> Scaling:
    """By mean and deviation of the training pictures, unless these were made comparable."""
    if run.normalise != "none":
        return MinMax(0, 255)
    means, deviations = run.train.statistics()
    return MeanDeviation(
        tuple(round(mean, 3) for mean in means),
        tuple(max(round(deviation, 3), 1.0) for deviation in deviations),
    )

"""One recipe on one image set: trained, and evaluated on the test images."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from flows.image_answers import judge, multiply_adds
from nowcast.checkpoint import load_checkpoint
from nowcast.evaluation import ClassTally
from nowcast.recipes import Recipe
from nowcast.report.class_curves import read_curves
from nowcast.report.class_facts import RunFacts
from nowcast.tasks import ClassifyTask
from nowcast.training import METRICS, Progress, fit, make_fabric, read_metrics
from pipeline.augmentation import Augmentation
from pipeline.image_loader import ImageLoader
from pipeline.image_split import ImageSplit
from pipeline.images import ImageSet

EVALUATION_BATCH = 500
SHOWN = (
    *("network", "batch_size", "epochs", "optimiser", "learning_rate", "momentum", "schedule"),
    *("weight_decay", "ema", "augmentation", "freeze", "pretrained", "precision", "seed"),
)


@dataclass(frozen=True)
class Evaluated:
    """A trained network and what it did on the test images.

    Args:
        facts: For the page.
        network: On the CPU, in evaluation mode.
        task: What it was trained for.
        test: The test images.
        predictions: Columns, a row a test image.
        device: What it was trained on.
    """

    facts: RunFacts
    network: nn.Module
    task: ClassifyTask
    test: ImageLoader
    predictions: Mapping[str, NDArray[Any]] = field(repr=False)
    device: str = "cpu"

    @property
    def on_cpu(self) -> bool:
        """Whether no accelerator took part."""
        return self.device == "cpu"

    def row(self) -> dict[str, Any]:
        """The numbers by which runs are compared."""
        facts = self.facts
        low, high = facts.tally.interval()
        return {
            "recipe": facts.name,
            "accuracy": facts.tally.accuracy(),
            "accuracy_low": low,
            "accuracy_high": high,
            "parameters": facts.parameters,
            "trained_parameters": facts.trained_parameters,
            "multiply_adds": facts.multiply_adds,
            "epochs": facts.epochs,
            "seconds": facts.seconds_training,
            "images_per_second": facts.images_per_second,
            "device": self.device,
        }


@dataclass
class ImageRun:
    """A recipe and the images that it meets.

    Args:
        images: The set.
        recipe: Fitted to it, its steps not yet known.
        folder: Of the run.
        limit: At most so many training images.
        broken: What becomes of images that cannot be read.
        whole: Whether images set apart for validation train too.
    """

    images: ImageSet
    recipe: Recipe
    folder: Path
    limit: int | None = None
    broken: Literal["refuse", "skip"] = "refuse"
    whole: bool = False

    @cached_property
    def train(self) -> ImageLoader:
        """What training draws."""
        recipe = self.recipe
        augment = Augmentation.of(recipe.augmentation) if recipe.augmentation else None
        split = self.images.split("train")
        if self.whole:
            split = _with(split, self.images.split("validation"))
        split = _limited(split, self.limit)
        return self._loader(split, recipe.batch_size, augment)

    @cached_property
    def validation(self) -> ImageLoader:
        """What chooses the checkpoint."""
        return self._loader(self.images.split("validation"), EVALUATION_BATCH)

    @property
    def validation_from(self) -> str:
        """One sentence: where the validation images come from."""
        if self.whole:
            return "they trained too and chose nothing: the last weights were kept"
        return self.validation.split.origin

    @cached_property
    def test(self) -> ImageLoader:
        """What training never sees."""
        return self._loader(self.images.split("test"), EVALUATION_BATCH)

    def _loader(
        self, split: ImageSplit, batch_size: int, augment: Augmentation | None = None
    ) -> ImageLoader:
        recipe = self.recipe
        return ImageLoader(
            split,
            batch_size,
            recipe.crop,
            self.images.channels,
            recipe.seed,
            augment,
            broken=self.broken,
        )

    def evaluated(self, resume: bool, progress: Progress | None) -> Evaluated:
        """Train, then try the best checkpoint on the test images.

        Raises:
            ValueError: As `fit` does.
        """
        recipe = self.recipe.for_data(self.train.steps_per_epoch)
        fabric = make_fabric(recipe)
        told = {"fingerprint": self._fingerprint(), "images": self.images.name}
        best = fit(recipe, self.train, self.validation, self.folder, fabric, resume, progress, told)
        held = load_checkpoint(best)
        if not isinstance(held.task, ClassifyTask):
            raise TypeError(f"{best}: expected a network trained for ClassifyTask")
        begun = time.perf_counter()
        tally, predictions = judge(held.network, held.task, self.test, fabric)
        seconds = time.perf_counter() - begun
        facts = self._facts(recipe, held.network, tally, held.step)
        facts = replace(
            facts,
            images_per_second_inference=len(self.test) / seconds,
            correct=predictions["label"] == predictions["predicted"],
            checkpoint=held.fingerprint,
        )
        network = held.network.cpu()
        return Evaluated(facts, network, held.task, self.test, predictions, str(fabric.device.type))

    def _facts(self, recipe: Recipe, network: nn.Module, tally: ClassTally, step: int) -> RunFacts:
        log = read_metrics(self.folder / METRICS)
        steps = [line for line in log if "samples_per_second" in line]
        speeds = np.array([line["samples_per_second"] for line in steps])
        per_epoch = self.train.steps_per_epoch
        parameters = sum(weights.numel() for weights in network.parameters())
        shown = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe)}
        return RunFacts(
            name=recipe.name,
            tally=tally,
            network=recipe.network,
            recipe={name: shown[name] for name in SHOWN if shown[name] not in (None, {}, (), 0.0)},
            curves=read_curves(log, per_epoch),
            parameters=parameters,
            trained_parameters=_trained(network, recipe),
            multiply_adds=multiply_adds(network.cpu(), self.train.shape),
            epochs=len(steps) / per_epoch,
            best_epoch=step / per_epoch,
            seconds_training=float((recipe.batch_size / speeds).sum()),
            images_per_second=float(np.median(speeds)) if speeds.size else math.nan,
        )

    def _fingerprint(self) -> str:
        """Changes when other images, or in another order, would train."""
        digest = hashlib.sha256(self.images.name.encode())
        for loader in (self.train, self.validation):
            digest.update(np.ascontiguousarray(loader.split.labels[loader.indices]).tobytes())
            digest.update(repr(loader.shape).encode())
        return digest.hexdigest()[:32]


def _with(split: ImageSplit, more: ImageSplit) -> ImageSplit:
    """Both parts of one set of pictures.

    Raises:
        ValueError: If they are of two.
    """
    if split.pictures is not more.pictures:
        raise ValueError(
            f"{more.name}: expected images set apart from those for training, found "
            f"{more.origin}; they cannot train too"
        )
    members = np.sort(np.concatenate([split.members, more.members]))
    return replace(split, members=members)


def _limited(split: ImageSplit, limit: int | None) -> ImageSplit:
    if limit is None or limit >= len(split):
        return split
    chosen = np.linspace(0, len(split) - 1, limit).round().astype(np.int64)
    return replace(split, members=split.members[chosen])


def _trained(network: nn.Module, recipe: Recipe) -> int:
    stay = tuple(recipe.freeze)
    return sum(
        weights.numel()
        for name, weights in network.named_parameters()
        if not any(name == part or name.startswith(f"{part}.") for part in stay)
    )

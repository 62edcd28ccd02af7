"""One recipe on one image set: its loaders, its training and what the training cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nowcast.checkpoint import Checkpoint, load_checkpoint
from nowcast.recipes import Recipe
from nowcast.report.classes.curves import read_curves
from nowcast.report.training_facts import TrainingFacts
from nowcast.tasks import Task
from nowcast.training import METRICS, Progress, make_fabric, read_metrics
from nowcast.training.greedy import fit_greedily
from pipeline.augmentation import Augmentation
from pipeline.batch import Batches
from pipeline.image_loader import ImageLoader
from pipeline.image_split import ImageSplit
from pipeline.images import ImageSet

EVALUATION_BATCH = 500
SHOWN = (
    *("network", "batch_size", "epochs", "greedy_epochs", "optimiser", "learning_rate"),
    *("momentum", "schedule", "weight_decay", "ema", "noise", "augmentation", "pixel_weights"),
    *("freeze", "pretrained", "precision", "seed"),
)


@dataclass(frozen=True)
class Trained:
    """The best network of a run and what it cost.

    Args:
        network: On the CPU, in evaluation mode.
        task: What it was trained for.
        step: After how many steps.
        facts: For a page.
        fabric: Where it was trained.
    """

    network: nn.Module
    task: Task
    step: int
    facts: TrainingFacts
    fabric: Fabric

    @property
    def device(self) -> str:
        """The kind of device it was trained on."""
        return str(self.fabric.device.type)


def train_recipe(
    recipe: Recipe,
    train: Batches,
    validation: Batches,
    folder: Path,
    resume: bool = False,
    progress: Progress | None = None,
    told: Mapping[str, Any] | None = None,
) -> Trained:
    """Train, and load the best checkpoint.

    Args:
        recipe: Fitted to the data; its steps need not be known.
        train: What training draws; with `steps_per_epoch`, or from one validation to the next
            counts as an epoch.
        validation: What chooses the checkpoint.
        folder: Of the run.
        resume: Whether to go on with the run in the folder.
        progress: Called after each step with its number and its line of the log.
        told: What the batches are made from; a run goes on only where its "fingerprint" is the
            same.

    Raises:
        ValueError: As `fit` does.
    """
    per_epoch = getattr(train, "steps_per_epoch", None)
    recipe = recipe if per_epoch is None else recipe.for_data(per_epoch)
    fabric = make_fabric(recipe)
    best = fit_greedily(recipe, train, validation, folder, fabric, resume, progress, told)
    held = load_checkpoint(best)
    facts = _facts(recipe, held, folder, per_epoch or recipe.validate_every)
    return Trained(held.network, held.task, held.step, facts, fabric)


def _facts(recipe: Recipe, held: Checkpoint, folder: Path, per_epoch: int) -> TrainingFacts:
    log = read_metrics(folder / METRICS)
    layers = [line for path in folder.glob(f"layer-*/{METRICS}") for line in read_metrics(path)]
    speeds = _speeds(log)
    shown = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe)}
    shown = {name: shown[name] for name in SHOWN if name in shown}
    shape = recipe.task.inputs, recipe.crop, recipe.crop
    return TrainingFacts(
        recipe.name,
        network=recipe.network,
        recipe={name: value for name, value in shown.items() if value not in (None, {}, (), 0.0)},
        curves=read_curves(log, per_epoch),
        parameters=sum(weights.numel() for weights in held.network.parameters()),
        trained_parameters=_trained(held.network, recipe),
        multiply_adds=multiply_adds(held.network, shape),
        epochs=speeds.size / per_epoch,
        best_epoch=held.step / per_epoch,
        seconds_training=float((recipe.batch_size / np.append(_speeds(layers), speeds)).sum()),
        images_per_second=float(np.median(speeds)) if speeds.size else math.nan,
        checkpoint=held.fingerprint,
    )


def _speeds(log: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Samples a second of each step."""
    held = [line["samples_per_second"] for line in log if "samples_per_second" in line]
    return np.array(held, np.float64)


def multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Of one image forward: half of what PyTorch counts as floating-point operations."""
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


def _trained(network: nn.Module, recipe: Recipe) -> int:
    stay = tuple(recipe.freeze)
    return sum(
        weights.numel()
        for name, weights in network.named_parameters()
        if not any(name == part or name.startswith(f"{part}.") for part in stay)
    )


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
        split = evenly(split, self.limit)
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

    def provenance(self) -> dict[str, str]:
        """For the checkpoint; changes when other images, or in another order, would train."""
        digest = hashlib.sha256(self.images.name.encode())
        for loader in (self.train, self.validation):
            digest.update(np.ascontiguousarray(loader.split.labels[loader.indices]).tobytes())
            digest.update(repr(loader.shape).encode())
        return {"fingerprint": digest.hexdigest()[:32], "images": self.images.name}


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


def evenly(split: ImageSplit, limit: int | None) -> ImageSplit:
    """At most so many images of a part, spread evenly over it."""
    if limit is None or limit >= len(split):
        return split
    chosen = np.linspace(0, len(split) - 1, limit).round().astype(np.int64)
    return replace(split, members=split.members[chosen])

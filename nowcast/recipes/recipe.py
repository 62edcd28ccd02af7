"""What decides a training run, checked."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from torch import nn

from nowcast.models import MODELS, build_network, check_options
from nowcast.optimisers import OPTIMISERS, SCHEDULES
from nowcast.tasks import ClassifyTask, DenoiseTask, Task, task_from_json, task_to_json

OPTIONS = ("network_options", "augmentation", "noise", "pixel_weights", "unfreeze")
PRECISIONS = ("auto", "32-true", "bf16-mixed")


@dataclass(frozen=True)
class Recipe:
    """A task, a network and the numbers of a run.

    Args:
        name: How logs and checkpoints call it.
        task: What is learned.
        network: A name in MODELS.
        network_options: Keyword arguments of that network.
        batch_size: Samples a step.
        crop: Side of the square that is cut from a frame, or of an image, in pixels.
        steps: Optimiser steps of the whole run.
        learning_rate: At its highest, after the warm-up.
        warmup: Steps of linear rise from 0; then the schedule.
        weight_decay: Of the optimiser.
        clip: Greatest norm of the gradient; None or infinity leaves it as it is.
        ema: Share of the averaged weights that outlives a step; 0 for no average.
        seed: Of the first weights and of the batches.
        augment: Whether samples are flipped and rotated.
        validate_every: Steps between validations.
        precision: "32-true", "bf16-mixed", or "auto": bf16-mixed where the device is made for it.
        epochs: Passes over the training data; they decide the steps, with a validation after
            each, once `for_data` has been told how many steps an epoch has. None: `steps` do.
        optimiser: A name in OPTIMISERS.
        momentum: Of "sgd" and "rmsprop".
        nesterov: Whether "sgd" looks ahead.
        schedule: A name in SCHEDULES: how the learning rate falls.
        patience: Validations without a better one after which the run ends; 0 for all steps.
        best_by: Which figure of the validation chooses the best weights: "loss" or "accuracy"; or
            "last", the weights of the run's end, whatever a validation says.
        augmentation: Keyword arguments of the augmentation of images.
        noise: What is added to the images of a task that removes it: its "kind" and numbers.
        greedy_epochs: Passes for each layer of an autoencoder by itself, before the whole.
        pixel_weights: How much pixels of a mask count: keyword arguments; empty for all alike.
        freeze: Modules, by the first parts of their names, whose weights and averages stay.
        unfreeze: Modules that stay too, but only for a share of the run, 0 to 1; where several
            names fit a weight the longest counts.
        layer_decay: Learning rate of a layer, divided by that of the next one towards the output.
        pretrained: A file of weights to begin with.
    """

    name: str
    task: Task
    network: str
    network_options: Mapping[str, object] = field(default_factory=dict)
    batch_size: int = 16
    crop: int = 128
    steps: int = 4000
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    clip: float | None = 1.0
    ema: float = 0.995
    seed: int = 0
    augment: bool = True
    validate_every: int = 250
    precision: str = "auto"
    epochs: float | None = None
    optimiser: str = "adamw"
    momentum: float = 0.0
    nesterov: bool = False
    schedule: str = "cosine"
    patience: int = 0
    best_by: str = "loss"
    augmentation: Mapping[str, object] = field(default_factory=dict)
    noise: Mapping[str, object] = field(default_factory=dict)
    greedy_epochs: float = 0.0
    pixel_weights: Mapping[str, object] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    unfreeze: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0
    pretrained: str | None = None

    def __post_init__(self) -> None:
        for name in OPTIONS:
            options = {key: _frozen(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, options)
        object.__setattr__(self, "freeze", tuple(self.freeze))
        if self.clip == math.inf:
            object.__setattr__(self, "clip", None)
        check_options(self.network, self.network_options)
        self._check_ranges()
        self._check_names()

    def _check_ranges(self) -> None:
        positive = ("batch_size", "crop", "steps", "learning_rate", "clip", "validate_every")
        for name in (*positive, "epochs"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"recipe {self.name!r}: expected {name} > 0, found {value}")
        for name in ("ema", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                found = getattr(self, name)
                raise ValueError(f"recipe {self.name!r}: expected 0 <= {name} < 1, found {found}")
        for name, value in (("layer_decay", self.layer_decay), *self.unfreeze.items()):
            if not 0 < value <= 1:
                raise ValueError(f"recipe {self.name!r}: expected 0 < {name} <= 1, found {value}")
        for name in ("warmup", "weight_decay", "patience", "greedy_epochs"):
            if not getattr(self, name) >= 0:
                found = getattr(self, name)
                raise ValueError(f"recipe {self.name!r}: expected {name} >= 0, found {found}")

    def _check_names(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"no precision {self.precision!r}; there are {list(PRECISIONS)}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"no optimiser {self.optimiser!r}; the table holds {sorted(OPTIMISERS)}"
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(f"no schedule {self.schedule!r}; the table holds {sorted(SCHEDULES)}")
        if self.nesterov and not (self.optimiser == "sgd" and self.momentum):
            raise ValueError(
                f"recipe {self.name!r}: expected optimiser 'sgd' and momentum > 0 for nesterov, "
                f"found {self.optimiser!r} and {self.momentum}"
            )
        by_accuracy = self.best_by == "accuracy" and isinstance(self.task, ClassifyTask)
        if self.best_by not in ("loss", "last") and not by_accuracy:
            raise ValueError(
                f"recipe {self.name!r}: expected best_by 'loss', 'last', or 'accuracy' of a task "
                f"with classes, found {self.best_by!r}"
            )

    def for_data(self, steps_per_epoch: int) -> Recipe:
        """The recipe with the steps of its epochs, and a validation after each.

        The warm-up is at most a quarter of the steps. Without epochs it is the recipe as it is.

        Raises:
            ValueError: If there is no step in an epoch.
        """
        if steps_per_epoch < 1:
            raise ValueError(
                f"recipe {self.name!r}: expected at least 1 step an epoch, found "
                f"{steps_per_epoch}; give more samples or a smaller batch_size"
            )
        if self.epochs is None:
            return self
        steps = max(round(self.epochs * steps_per_epoch), 1)
        warmup = min(self.warmup, steps // 4)
        return replace(self, steps=steps, validate_every=steps_per_epoch, warmup=warmup)

    def for_images(self, classes: int, channels: int, size: int | None = None) -> Recipe:
        """The recipe of an image benchmark for images of another kind.

        Args:
            classes: How many there are; a task without classes takes no notice.
            channels: Channels of an image.
            size: Side in pixels, for the network too where it has such an option; None for the
                recipe's own.

        Raises:
            ValueError: If the task is none of images, or does not fit as many classes or channels.
        """
        task: Task
        match self.task:
            case ClassifyTask():
                task = replace(self.task, classes=classes, channels=channels)
            case DenoiseTask():
                task = replace(self.task, channels=channels)
            case other:
                found = type(other).__name__
                raise ValueError(f"recipe {self.name!r}: expected a task of images, found {found}")
        crop, options = size or self.crop, dict(self.network_options)
        if "size" in inspect.signature(MODELS[self.network]).parameters:
            options["size"] = crop
        return replace(self, task=task, crop=crop, network_options=options)

    def build_network(self) -> nn.Module:
        """A fresh network that fits the task."""
        task = self.task
        return build_network(self.network, task.inputs, task.outputs, self.network_options)

    def to_json(self) -> str:
        """The recipe as one line, the same for equal recipes."""
        entries = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        entries["task"] = task_to_json(self.task)
        return json.dumps(entries, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote; what an older one did not hold has its default.

        Raises:
            ValueError: If it is not one, or holds an unknown entry.
        """
        try:
            entries = json.loads(text)
            task = task_from_json(entries.pop("task"))
            return cls(task=task, **entries)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"recipe: expected what to_json writes, found {text[:60]!r}"
            ) from error


def _frozen(value: object) -> object:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value

"""Every number that decides a training run; RECIPES is the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from torch import nn

from nowcast.models import build_network, check_options
from nowcast.tasks import NowcastTask, Task, task_from_json, task_to_json

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
        crop: Side of the square that is cut from a frame, in pixels.
        steps: Optimiser steps of the whole run.
        learning_rate: At its highest, after the warm-up.
        warmup: Steps of linear rise from 0; then a cosine falls to 0 at the last step.
        weight_decay: Of AdamW.
        clip: Greatest norm of the gradient.
        ema: Share of the averaged weights that outlives a step.
        seed: Of the first weights and of the batches.
        augment: Whether samples are flipped and rotated.
        validate_every: Steps between validations.
        precision: "32-true", "bf16-mixed", or "auto": bf16-mixed where the device is made for it.
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
    clip: float = 1.0
    ema: float = 0.995
    seed: int = 0
    augment: bool = True
    validate_every: int = 250
    precision: str = "auto"

    def __post_init__(self) -> None:
        options = {key: _frozen(value) for key, value in self.network_options.items()}
        object.__setattr__(self, "network_options", options)
        check_options(self.network, options)
        for name in ("batch_size", "crop", "steps", "learning_rate", "clip", "validate_every"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"recipe {self.name!r}: expected {name} > 0, found {getattr(self, name)}"
                )
        if not 0 <= self.ema < 1:
            raise ValueError(f"recipe {self.name!r}: expected 0 <= ema < 1, found {self.ema}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"no precision {self.precision!r}; there are {list(PRECISIONS)}")

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
        """The recipe that `to_json` wrote.

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


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; the table holds {sorted(RECIPES)}")
    return RECIPES[name]


_UNET = Recipe(
    name="unet",
    task=NowcastTask(),
    network="unet",
    network_options={
        "widths": (40, 72, 128, 160),
        "norm": "batch",
        "shuffle": 2,
        "zero_output": True,
    },
)
_CONVLSTM = replace(
    _UNET,
    name="convlstm",
    network="convlstm",
    network_options={
        "frames": 3,
        "widths": (32, 64, 96),
        "norm": "batch",
        "shuffle": 2,
        "zero_output": True,
    },
    steps=2000,
)
_UNET_DEMO = replace(
    _UNET,
    name="unet-demo",
    crop=96,
    steps=500,
    learning_rate=2e-3,
    warmup=30,
    ema=0.98,
    validate_every=125,
)
_CONVLSTM_DEMO = replace(
    _UNET_DEMO,
    name="convlstm-demo",
    network="convlstm",
    network_options={**_CONVLSTM.network_options, "widths": (64, 96), "shuffle": 4},
    steps=260,
    validate_every=65,
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (_UNET, _CONVLSTM, _UNET_DEMO, _CONVLSTM_DEMO)
}

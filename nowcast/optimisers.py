"""Rules by which gradients change weights, and how fast over a run; two tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

OPTIMISERS: dict[str, type[Optimizer]] = {
    "adamw": AdamW,
    "adam": Adam,
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
}

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "linear": lambda done: 1 - done,
    "step": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),
    "constant": lambda done: 1.0,  # noqa: ARG005
}
"""Share of the highest learning rate after a share of the steps; "step" is a tenth from half of
the run and a hundredth from three quarters on.

Source of "step": He et al., 2016, IEEE Conference on Computer Vision and Pattern Recognition,
770-778, section 4.2.
"""

WITH_MOMENTUM = ("sgd", "rmsprop")


def make_optimiser(
    name: str,
    groups: Sequence[Mapping[str, Any]],
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """The optimiser of that name over groups of weights, otherwise as PyTorch has it.

    On processors it changes all weights in one pass where PyTorch can.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in OPTIMISERS:
        raise ValueError(f"no optimiser {name!r}; the table holds {sorted(OPTIMISERS)}")
    numbers: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if name in WITH_MOMENTUM:
        numbers["momentum"] = momentum
    if name == "sgd":
        numbers["nesterov"] = nesterov
    if name != "rmsprop" and _on_processor(groups):
        numbers["fused"] = True
    return OPTIMISERS[name]([dict(group) for group in groups], **numbers)


def _on_processor(groups: Sequence[Mapping[str, Any]]) -> bool:
    weights = [weight for group in groups for weight in group["params"]]
    return all(weight.device.type == "cpu" for weight in weights) and all(
        weight.dtype in (torch.float32, torch.float64) for weight in weights
    )


def scheduled_rate(name: str, highest: float, warmup: int, steps: int, step: int) -> float:
    """Linear rise from 0 over `warmup` steps, then the schedule; steps count from 0.

    Raises:
        ValueError: If the table does not hold the schedule.
    """
    if name not in SCHEDULES:
        raise ValueError(f"no schedule {name!r}; the table holds {sorted(SCHEDULES)}")
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * SCHEDULES[name]((step - warmup) / max(steps - warmup, 1))

"""What the processes of one run tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor, distributed


def is_first_process() -> bool:
    """Whether this process is the first that `torchrun` started, or alone."""
    environment = TorchElasticEnvironment()
    return not environment.detect() or environment.global_rank() == 0


def added(sums: Mapping[str, Tensor], fabric: Fabric) -> dict[str, Tensor]:
    """Sums of the same names, added over all processes."""
    if fabric.world_size == 1:
        return dict(sums)
    stacked = torch.stack([value.double() for value in sums.values()])
    distributed.all_reduce(stacked)
    return dict(zip(sums, stacked, strict=True))


def added_numbers(sums: Mapping[str, float], fabric: Fabric) -> dict[str, float]:
    """The same of numbers, where some processes may have none."""
    if fabric.world_size == 1:
        return dict(sums)
    every: list[Any] = [None] * fabric.world_size
    distributed.all_gather_object(every, dict(sums))
    total: dict[str, float] = {}
    for name, value in (entry for one in every for entry in one.items()):
        total[name] = total.get(name, 0.0) + value
    return total


def seed_chance(seed: int, step: int, fabric: Fabric) -> None:
    """Make what a network leaves to chance depend on the seed, the step and the process alone."""
    number = (seed << 40) + (step << 10) + fabric.global_rank
    if fabric.device.type == "cpu":
        torch.default_generator.manual_seed(number)  # 60 µs less than for every device
    else:
        torch.manual_seed(number)

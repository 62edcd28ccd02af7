"""Errors by pixel, and their mean over what is known; LOSSES is the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mse": partial(F.mse_loss, reduction="none"),
    "mae": partial(F.l1_loss, reduction="none"),
    "huber": partial(F.huber_loss, reduction="none", delta=0.1),
    "cross_entropy": partial(F.cross_entropy, reduction="none", ignore_index=-1),
}


def find_loss(name: str) -> Loss:
    """The error by pixel of that name: (output, target) -> errors of the target's shape.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in LOSSES:
        raise ValueError(f"no loss {name!r}; the table holds {sorted(LOSSES)}")
    return LOSSES[name]


def masked_sum(loss: Loss, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Σ weight · error over the pixels of positive weight; no other pixel has a gradient.

    Args:
        loss: The error by pixel.
        output: The target's shape; for classes one more axis of logits, the second.
        target: Anything, NaN included, where the weight is 0; integers for classes.
        weight: The target's shape.
    """
    known = weight > 0
    if target.is_floating_point():
        target = torch.where(known, target, output.detach())
    else:
        target = torch.where(known, target, -1)
    return (weight * loss(output, target)).sum()


def masked_mean(loss: Loss, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Σ weight · error / Σ weight; 0 where every weight is 0."""
    total = weight.sum()
    return masked_sum(loss, output, target, weight) / torch.where(total > 0, total, 1)


def heavy_rain_weight(dbz: Tensor, emphasis: float) -> Tensor:
    """1 + emphasis · max(dBZ − 20, 0) / 20, and 0 where the reflectivity is NaN."""
    weight = 1 + emphasis * (dbz - 20).clamp(min=0) / 20
    return torch.where(dbz.isnan(), 0, weight)

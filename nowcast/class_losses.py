"""Errors of class scores against labels, certain or soft; CLASS_LOSSES is the table."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ClassLoss = Callable[[Tensor, Tensor], Tensor]


def _cross_entropy(output: Tensor, shares: Tensor) -> Tensor:
    return -(shares * F.log_softmax(output, dim=1)).sum(1)


def _binary_cross_entropy(output: Tensor, shares: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output[:, 0], shares[:, 1], reduction="none")


def _mse(output: Tensor, shares: Tensor) -> Tensor:
    return (output - shares).square().mean(1)


CLASS_LOSSES: dict[str, ClassLoss] = {
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "mse": _mse,
}
"""(output (B, K, …), shares (B, K, …)) -> errors (B, …); "binary_cross_entropy" takes the output
(B, 1, …) of one logit, that of the second of two classes."""


def find_class_loss(name: str) -> ClassLoss:
    """The error by sample of that name.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in CLASS_LOSSES:
        raise ValueError(f"no class loss {name!r}; the table holds {sorted(CLASS_LOSSES)}")
    return CLASS_LOSSES[name]


def shares_of(label: Tensor, classes: int) -> Tensor:
    """Labels (B, …) as shares (B, classes, …): 1 for the class, 0 for the others.

    Missing: a label below 0 gives that of class 0.
    """
    return F.one_hot(label.clamp(min=0), classes).movedim(-1, 1).float()


def smoothed(shares: Tensor, smoothing: float) -> Tensor:
    """Shares (B, K, …) of which `smoothing` is spread over all classes alike.

    Source: Szegedy et al., 2016, IEEE Conference on Computer Vision and Pattern Recognition,
    2818-2826, section 7.
    """
    return shares.lerp(torch.full_like(shares, 1 / shares.shape[1]), smoothing)


def distillation(output: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ output), (B, …), both logits (B, K, …) softened by the temperature T.

    Range 0 to infinity, best 0. T² keeps the size of its gradient where T changes.

    Source: Hinton et al., 2015, arXiv:1503.02531, section 2.
    """
    found = F.log_softmax(output / temperature, dim=1)
    wanted = F.log_softmax(teacher / temperature, dim=1)
    return temperature**2 * (wanted.exp() * (wanted - found)).sum(1)

"""Errors of segmentations by pixel; SEGMENT_LOSSES is the table.

Each takes logits (B, K, H, W), a single one being that of the second of two classes, and the shares
of the classes (B, K, H, W).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SegmentLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, shares, weight) -> errors (B, H, W), whose weighted mean is the loss."""

SMOOTH, FOCUS = 1.0, 2.0


def both_classes(output: Tensor) -> Tensor:
    """Logits of all classes; a single one (B, 1, …) beside 0 for the first of two."""
    return torch.cat([torch.zeros_like(output), output], 1) if output.shape[1] == 1 else output


def cross_entropy(output: Tensor, shares: Tensor) -> Tensor:
    """−Σ share · log p over the classes. Range 0 to infinity, best 0."""
    return -(shares * both_classes(output).log_softmax(1)).sum(1)


def focal(output: Tensor, shares: Tensor, focus: float = FOCUS) -> Tensor:
    """−Σ share · (1 − p)^focus · log p: what is certain already hardly counts.

    Range 0 to infinity, best 0; focus 0 is the cross entropy.

    Source: Lin et al., 2017, IEEE International Conference on Computer Vision, 2980-2988.
    """
    log = both_classes(output).log_softmax(1)
    rest = (-torch.expm1(log)).clamp(min=torch.finfo(log.dtype).tiny)
    return -(shares * rest**focus * log).sum(1)


def mse(output: Tensor, shares: Tensor) -> Tensor:
    """(p − share)², the mean over the classes. Range 0 to 1, best 0."""
    return (both_classes(output).softmax(1) - shares).square().mean(1)


def dice(output: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
    """1 − Dice of the probabilities, of each picture by itself and the same at all its pixels.

    Dice = (2 Σ w p g + 1) / (Σ w p + Σ w g + 1), g being the share and w the weight (B, H, W), 0
    where nothing is known; the mean over all classes but the first, which is the background.
    Range 0 to 1, best 0.

    Undefined: 0 where nothing is known.

    Source: Milletari, Navab and Ahmadi, 2016, Fourth International Conference on 3D Vision,
        565-571, with sums in place of sums of squares.
    """
    found = both_classes(output).softmax(1)[:, 1:] * weight[:, None]
    true = shares[:, 1:]
    both = (found * true).sum((-2, -1))
    either = (found + true * weight[:, None]).sum((-2, -1))
    score = ((2 * both + SMOOTH) / (either + SMOOTH)).mean(1)
    return (1 - score)[:, None, None].expand_as(weight)


def dice_and_cross_entropy(output: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
    """The sum of both.

    Source: Isensee et al., 2021, Nature Methods 18, 203-211.
    """
    return dice(output, shares, weight) + cross_entropy(output, shares)


def _by_pixel(loss: Callable[[Tensor, Tensor], Tensor]) -> SegmentLoss:
    def errors(output: Tensor, shares: Tensor, _weight: Tensor) -> Tensor:
        return loss(output, shares)

    return errors


SEGMENT_LOSSES: dict[str, SegmentLoss] = {
    "cross_entropy": _by_pixel(cross_entropy),
    "binary_cross_entropy": _by_pixel(cross_entropy),
    "dice": dice,
    "dice_cross_entropy": dice_and_cross_entropy,
    "focal": _by_pixel(focal),
    "mse": _by_pixel(mse),
}
"""A network for "binary_cross_entropy" answers a single logit."""


def find_segment_loss(name: str) -> SegmentLoss:
    """The error by pixel of that name.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in SEGMENT_LOSSES:
        raise ValueError(f"no segment loss {name!r}; the table holds {sorted(SEGMENT_LOSSES)}")
    return SEGMENT_LOSSES[name]

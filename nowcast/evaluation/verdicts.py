"""Logits of a batch as what is counted of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNLABELLED = -1
# fractions are summed as integers in this unit, so that a sum is the same in any order
UNIT = 2.0**-32
LARGEST_LOSS = 1e4

Places = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """The labelled images of a batch.

    Args:
        index: (B,) their places in the split.
        label: (B,) the right class.
        predicted: (B,) the most probable class, of several the first.
        rank: (B,) how many classes were preferred to the right one.
        confidence: (B,) the probability of the predicted class.
        loss: (B,) −ln of the label's probability.
        log_odds: (B, K) ln p − ln(1 − p) of each class.
    """

    index: Places
    label: Places
    predicted: Places
    rank: Places
    confidence: Numbers
    loss: Numbers
    log_odds: Numbers

    @classmethod
    def of(cls, logits: Tensor, label: Tensor, index: Tensor, classes: int) -> Verdicts:
        """Of a batch; images of UNLABELLED are left out.

        Raises:
            ValueError: If shapes, labels or logits are not as expected.
        """
        logits, label, index = (
            held.detach().cpu() for held in (_each_class(logits, classes), label, index)
        )
        _check(logits, label, index, classes)
        known = label != UNLABELLED
        logits, label = logits[known].double(), label[known].long()
        logarithms = logits.log_softmax(1)
        predicted = torch.from_numpy(logits.numpy().argmax(1))
        own = logits.gather(1, label[:, None])
        before = torch.arange(classes) < label[:, None]
        rank = ((logits > own) | ((logits == own) & before)).sum(1)
        return cls(
            index[known].long().numpy(),
            label.numpy(),
            predicted.numpy(),
            rank.numpy(),
            logarithms.gather(1, predicted[:, None])[:, 0].exp().numpy(),
            -logarithms.gather(1, label[:, None])[:, 0].numpy(),
            _log_odds(logits, logarithms, predicted).numpy(),
        )


def in_units(values: Numbers) -> Places:
    """Fractions in UNIT; what is above LARGEST_LOSS counts as that."""
    return np.rint(np.minimum(values, LARGEST_LOSS) / UNIT).astype(np.int64)


def _each_class(logits: Tensor, classes: int) -> Tensor:
    """(B, K); one logit is that of the second class, whose other is 0."""
    if classes == 2 and (logits.ndim == 1 or logits.shape[1:] == (1,)):
        second = logits.reshape(-1)
        return torch.stack([torch.zeros_like(second), second], 1)
    return logits


def _check(logits: Tensor, label: Tensor, index: Tensor, classes: int) -> None:
    wanted = (label.numel(), classes)
    if tuple(logits.shape) != wanted or label.ndim != 1 or index.shape != label.shape:
        raise ValueError(
            f"class tally: expected logits {wanted} beside one label and one index an image, found "
            f"logits {tuple(logits.shape)}, labels {tuple(label.shape)} and indices "
            f"{tuple(index.shape)}"
        )
    outside = label[(label < UNLABELLED) | (label >= classes)]
    if outside.numel():
        raise ValueError(
            f"class tally: expected labels from 0 to {classes - 1}, or {UNLABELLED} for none, "
            f"found {int(outside[0])}"
        )
    broken = ~logits.isfinite().all(1)
    if broken.any():
        raise ValueError(
            f"class tally: expected finite logits, found {int(broken.sum())} of {len(broken)} "
            f"images without, the first of index {int(index[broken][0])}; look at the weights"
        )


def _log_odds(logits: Tensor, logarithms: Tensor, predicted: Tensor) -> Tensor:
    """With the others of the likeliest class summed themselves: 1 − p would be all rounding."""
    others = torch.log1p(-logarithms.exp().clamp(max=1 - 2.0**-53))
    rest = logits.scatter(1, predicted[:, None], -torch.inf)
    best = rest.logsumexp(1, keepdim=True) - logits.logsumexp(1, keepdim=True)
    return logarithms - others.scatter(1, predicted[:, None], best)

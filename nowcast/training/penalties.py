"""What a network asks for besides small errors: sparse codes, flat encoders, a known prior."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Penalties:
    """The penalties of a network's parts.

    A part that has an attribute `penalty` sets it in every forward: a scalar, the mean over the
    images, in the unit of the task's loss; None where it cannot tell.

    Args:
        network: Its parts are those that it has now.
    """

    def __init__(self, network: nn.Module) -> None:
        self._parts = [part for part in network.modules() if hasattr(part, "penalty")]

    def last(self) -> list[Tensor]:
        """Those of the last forward, one from each part that could tell."""
        told = (part.penalty for part in self._parts)
        return [penalty for penalty in told if isinstance(penalty, Tensor)]

    def added_to(self, loss: Tensor) -> Tensor:
        """The loss and all penalties of the last forward."""
        for penalty in self.last():
            loss = loss + penalty
        return loss

    def beside(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The scores of a batch and, as a sum like the loss, the last forward's "penalty"."""
        if not self.last():
            return dict(scores)
        penalty = self.added_to(torch.zeros_like(scores["weight"])).detach()
        return {**scores, "penalty": penalty * scores["weight"]}


def penalised_loss(sums: Mapping[str, float]) -> float:
    """Mean loss and penalty of the sums of a task's scores."""
    return (sums["loss"] + sums.get("penalty", 0.0)) / sums["weight"]

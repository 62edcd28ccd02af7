"""The protocol between training and a problem."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from pipeline.batch import Batch


class Example(NamedTuple):
    """One batch as a network sees it, scaled; weight is 0 where the target is unknown."""

    inputs: Tensor
    target: Tensor
    weight: Tensor


class Task(Protocol):
    """What training asks of a problem; a network for it maps `inputs` channels to `outputs`."""

    @property
    def inputs(self) -> int:
        """Channels in."""

    @property
    def outputs(self) -> int:
        """Channels, or classes, out."""

    def pose(self, batch: Batch) -> Example:
        """The batch as inputs, target and weight."""

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """The mean loss to descend, 0 where nothing is known."""

    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """Sums that add over batches; at least the weighted "loss" and its "weight".

        A task with a trivial answer to beat gives its "persistence_loss" too.
        """

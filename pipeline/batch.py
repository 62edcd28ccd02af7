"""The one door from the pipeline to the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from torch import Tensor

from pipeline.reflectivity import NO_ECHO, ZR

__all__ = ["NO_ECHO", "ZR", "Batch", "Batches"]


class Batch(NamedTuple):
    """Samples in physical units.

    Args:
        frames: (B, T, H, W) float32; dBZ for radar, NaN where missing.
        label: (B,) classes, (B, H, W) masks, or (B, T, H, W) clean frames of noisy ones; None
            where the frames are their own label.
        weight: (B, H, W) float32, how much each pixel of a mask counts; None where all do alike.
    """

    frames: Tensor
    label: Tensor | None = None
    weight: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with every part changed that it has."""
        label = None if self.label is None else change(self.label)
        weight = None if self.weight is None else change(self.weight)
        return Batch(change(self.frames), label, weight)


class Batches(Protocol):
    """What training asks of a data set."""

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply; batch n depends on (seed, n) alone."""

    def sweep(self) -> Iterator[Batch]:
        """Every sample once, in order, unchanged: for validation."""

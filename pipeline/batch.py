"""The one door from the pipeline to the networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor

from pipeline.reflectivity import NO_ECHO, ZR

__all__ = ["NO_ECHO", "ZR", "Batch", "Batches"]


class Batch(NamedTuple):
    """Samples in physical units.

    Args:
        frames: (B, T, H, W) float32; dBZ for radar, NaN where missing.
        label: (B,) classes or (B, H, W) masks; None where the frames are their own label.
    """

    frames: Tensor
    label: Tensor | None = None


class Batches(Protocol):
    """What training asks of a data set."""

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply; batch n depends on (seed, n) alone."""

    def sweep(self) -> Iterator[Batch]:
        """Every sample once, in order, unchanged: for validation."""

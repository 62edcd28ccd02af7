"""Sums of issue times drawn again and again, in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.pooling import in_blocks

STARTS_AT_ONCE = 2**17
WEIGHTS_AT_ONCE = 2**19


@dataclass(frozen=True)
class Resampling:
    """How issue times are drawn.

    Blocks of successive issue times are drawn with replacement, the last followed by the first, so
    that rain that lasts is drawn together.

    Args:
        block: Issue times in a block; about as many as rain takes to change.
        resamples: Times that the whole is drawn again.
        level: Share of the resamples inside an interval.
        seed: Decides what is drawn.

    Raises:
        ValueError: If there is less than one block or resample, or the level is not inside 0 to 1.

    Source: Politis and Romano, 1992, in LePage and Billard (eds.), Exploring the Limits of
        Bootstrap, Wiley, 263-270; Künsch, 1989, Annals of Statistics 17, 1217-1241,
        doi:10.1214/aos/1176347265.
    """

    block: int = 12
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("block", "resamples"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"bootstrap: expected {name} of 1 or more, found {getattr(self, name)}"
                )
        if not 0 < self.level < 1:
            raise ValueError(f"bootstrap: expected a level between 0 and 1, found {self.level}")

    def weights(self, count: int, rows: slice = slice(None)) -> Tensor:
        """How often issue times are drawn.

        Args:
            count: All there are.
            rows: Those that are asked for, successive.

        Returns:
            (resamples, rows) float64.
        """
        first, last, _ = rows.indices(count)
        changes = np.zeros((self.resamples, last - first + 1), np.int64)
        for resamples, start, end in self._drawn(count):
            for shift in (0, count):
                here = (start < last + shift) & (end > first + shift)
                line = np.nonzero(here)[0]
                begun = np.maximum(start[here] - shift - first, 0)
                over = np.minimum(end[here] - shift, last) - first
                changes[resamples] += _counted(line, begun, changes[resamples].shape)
                changes[resamples] -= _counted(line, over, changes[resamples].shape)
        return torch.from_numpy(changes.cumsum(1)[:, :-1].astype(np.float64))

    def _drawn(self, count: int) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.int64]]]:
        """Start and end of the blocks (resamples, blocks) of some resamples, then of others.

        An end beyond `count` goes on at the first issue time.
        """
        generator = np.random.default_rng(self.seed)
        length = min(self.block, max(count, 1))
        blocks = max(math.ceil(count / length), 1)
        lengths = np.append(np.full(blocks - 1, length), count - length * (blocks - 1))
        few = max(STARTS_AT_ONCE // blocks, 1)
        for first in range(0, self.resamples, few):
            resamples = slice(first, min(first + few, self.resamples))
            shape = (resamples.stop - first, blocks)
            starts = generator.integers(0, max(count, 1), shape)
            yield resamples, starts, starts + lengths

    def interval(self, values: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Percentiles of (resamples, ...), NaN where any resample is undefined."""
        tail = (1 - self.level) / 2
        low, high = torch.quantile(values, values.new_tensor([tail, 1 - tail]), dim=0)
        return low.numpy(), high.numpy()


def _counted(
    line: NDArray[np.int64], place: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """How often each place of each line comes."""
    counts = np.bincount(line * shape[1] + place, minlength=math.prod(shape))
    return counts.reshape(shape)


def resampled(terms: Sequence[str], sums: xr.Dataset, resampling: Resampling) -> dict[str, Tensor]:
    """Sums over all issue times, then over those of every resample.

    They are read once, a few issue times at a time.

    Returns:
        Term → (1 + resamples, ...) float64.
    """
    few = max(WEIGHTS_AT_ONCE // resampling.resamples, 1)
    count = sums.sizes["issue_time"]
    shapes = {term: sums[term].transpose("issue_time", ...).shape[1:] for term in terms}
    totals = {
        term: torch.zeros(1 + resampling.resamples, *shape, dtype=torch.float64)
        for term, shape in shapes.items()
    }
    blocks = {term: in_blocks(sums[term], few) for term in terms}
    for first in range(0, count, few):
        weights = resampling.weights(count, slice(first, first + few))
        weights = torch.cat([weights.new_ones(1, weights.shape[1]), weights])
        for term, block in blocks.items():
            values = next(block)[1].astype(np.float64)
            table = torch.from_numpy(values.reshape(len(values), -1))
            totals[term] += (weights @ table).view_as(totals[term])
    return totals

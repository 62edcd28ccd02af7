"""Sums over square windows, exact and as fast for wide windows as for narrow ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def window_pixels(scale_km: float, pixel_km: float) -> int:
    """The odd number of pixels nearest to a scale, the larger of two as near; 1 at least."""
    # a twentieth of leeway: a pixel of 1.0003 km has the windows of one of 1 km
    return 2 * math.floor(scale_km / pixel_km / 2 + 0.05) + 1


@dataclass(frozen=True)
class Margin:
    """How fields lie in memory with room for windows around every pixel, in blocks of rows.

    Args:
        shape: Of the fields.
        widest: Side in pixels, odd, of the widest window.
    """

    shape: tuple[int, int]
    widest: int

    @property
    def before(self) -> int:
        """Rows and columns before the first of a field."""
        return self.widest // 2

    @property
    def across(self) -> int:
        """Length of a row; rows of four integers are added as one."""
        return math.ceil((self.shape[1] + self.widest) / 4) * 4

    @property
    def down(self) -> int:
        """Rows that hold a field in whole blocks, without a margin."""
        return math.ceil(self.shape[0] / BLOCK) * BLOCK

    def spread(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        """A field with rows of `across` and `down` of them, 0 outside the grid."""
        rows: NDArray[np.float32] = torch.zeros(self.down, self.across).numpy()
        rows[: self.shape[0], : self.shape[1]] = field
        return rows

    def cut(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., H, W) of fields that are spread."""
        return rows[..., : self.shape[0], : self.shape[1]]


class SummedAreas:
    """Sums of planes over all that lies above and to the left, of which any window's sum is four.

    They are kept modulo the range of an integer that holds a window's sum, and so are differences.

    Args:
        planes: P, how many are summed at once.
        margin: Their layout.
    """

    def __init__(self, planes: int, margin: Margin) -> None:
        narrow = margin.widest <= 255 and margin.shape[0] < 1 << 15
        signed, unsigned = (torch.int16, np.uint16) if narrow else (torch.int32, np.uint32)
        shape, size = (margin.down + margin.widest, margin.across), BLOCKS * BLOCK * margin.across
        self._margin, self._wet = margin, np.zeros(0, np.bool_)
        # torch's memory begins at a cache line, which makes all that follows a fifth faster
        self._sums: NDArray[Any] = torch.zeros((planes, *shape), dtype=signed).numpy()
        columns = torch.zeros((planes, size + margin.across), dtype=signed)
        self._columns: NDArray[Any] = columns.numpy().view(unsigned)
        self._counts: NDArray[np.float32] = torch.empty(planes, size).numpy()

    def fill(self, planes: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Sum other planes, (H, W) each; which blocks have an event in the widest window."""
        (height, width), first = self._margin.shape, self._margin.before + 1
        for sums, plane in zip(self._sums, planes, strict=True):
            sums[first : first + height, first : first + width] = plane
        self._sums[:, first + height :] = 0
        self._sums[..., first + width :] = 0
        # columns first: sums down a column never outgrow their share of the eight bytes
        columns = self._sums.view(np.int64)
        torch.from_numpy(columns).cumsum_(1)
        starts = np.arange(0, self._margin.down, BLOCK)
        ends = starts + BLOCK + self._margin.widest - 1
        self._wet = (columns[:, starts] != columns[:, ends]).any((0, 2))
        torch.from_numpy(self._sums).cumsum_(-1)
        return self._wet

    def counts(self, width: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Sums over the windows around each pixel; outside the grid there is nothing.

        Args:
            width: Side of the windows.

        Yields:
            Rows, of fields that are spread, and their sums (P, rows, across), good until the next
            are asked for; anything outside the grid. Blocks of empty windows are left out.
        """
        across, edge = self._margin.across, self._margin.before - width // 2
        columns = self._columns
        sums = self._sums.view(columns.dtype).reshape(len(columns), -1)
        for rows in self._runs():
            size = (rows.stop - rows.start) * across
            top = (rows.start + edge) * across
            bottom = top + width * across
            above, below = (sums[:, place : place + size] for place in (top, bottom))
            np.subtract(below, above, out=columns[:, :size])
            left, right = (columns[:, place : place + size] for place in (edge, edge + width))
            counts = self._counts[:, :size]
            np.subtract(right, left, out=counts, dtype=columns.dtype, casting="unsafe")
            yield rows, counts.reshape(len(sums), -1, across)

    def _runs(self) -> Iterator[slice]:
        """Rows of wet blocks, as many together as lie side by side, BLOCKS at most."""
        first = 0
        for wet, blocks in groupby(self._wet):
            last = first + len(list(blocks))
            for start in range(first, last, BLOCKS) if wet else ():
                yield slice(start * BLOCK, min(start + BLOCKS, last) * BLOCK)
            first = last


def window_sums(planes: Tensor, widths: Sequence[int]) -> Iterator[Tensor]:
    """Sums over the square windows around each pixel; what lies outside the grid adds nothing.

    Args:
        planes: (..., H, W) bool.
        widths: Odd numbers of pixels, up to 4095.

    Yields:
        For each width (..., H, W) float32.
    """
    flat = planes.reshape(-1, *planes.shape[-2:]).cpu().numpy()
    margin = Margin((flat.shape[1], flat.shape[2]), max(widths))
    areas = SummedAreas(len(flat), margin)
    areas.fill(list(flat))
    for width in widths:
        sums = np.zeros((len(flat), margin.down, margin.across), np.float32)
        for rows, counts in areas.counts(width):
            sums[:, rows] = counts
        yield torch.from_numpy(margin.cut(sums)).reshape(planes.shape).to(planes.device)


BLOCK = 32
BLOCKS = 4

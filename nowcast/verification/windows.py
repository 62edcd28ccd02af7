"""Sums over square windows, exact and as fast for wide windows as for narrow ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        """A field with rows of `across` and `down` of them, flat, 0 outside the grid."""
        rows = np.zeros((self.down, self.across), np.float32)
        rows[: self.shape[0], : self.shape[1]] = field
        return rows.reshape(-1)

    def cut(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., H, W) of fields that are spread."""
        fields = rows.reshape(*rows.shape[:-1], self.down, self.across)
        return fields[..., : self.shape[0], : self.shape[1]]


class SummedAreas:
    """Sums of planes over all that lies above and to the left, of which any window's sum is four.

    They are kept modulo the range of an integer that holds a window's sum, and so are differences.

    Args:
        planes: P of them, (H, W) bool.
        margin: Their layout.
    """

    def __init__(self, planes: Sequence[NDArray[np.bool_]], margin: Margin) -> None:
        (height, width), first = margin.shape, margin.before + 1
        narrow = margin.widest <= 255 and height < 1 << 15
        signed, unsigned = (np.int16, np.uint16) if narrow else (np.int32, np.uint32)
        shape = (len(planes), margin.down + margin.widest, margin.across)
        sums: NDArray[Any] = np.empty(shape, signed)
        sums[:, :first], sums[:, first + height :] = 0, 0
        sums[..., :first], sums[..., first + width :] = 0, 0
        for place, plane in enumerate(planes):
            sums[place, first : first + height, first : first + width] = plane
        # columns first: sums down a column never outgrow their share of the eight bytes
        columns = sums.view(np.int64)
        torch.from_numpy(columns).cumsum_(1)
        ends = range(0, margin.down, BLOCK)
        self._wet = [
            bool((columns[:, end] != columns[:, end + BLOCK + margin.widest - 1]).any())
            for end in ends
        ]
        torch.from_numpy(sums).cumsum_(-1)
        self._margin, self._sums = margin, sums.view(unsigned).reshape(len(planes), -1)

    def counts(self, width: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Sums over the windows around each pixel; outside the grid there is nothing.

        Args:
            width: Side of the windows.

        Yields:
            Pixels, of fields that are spread, and their sums (P, pixels), good until the next are
            asked for; anything outside the grid. Blocks of empty windows are left out.
        """
        across, edge = self._margin.across, self._margin.before - width // 2
        size = BLOCK * across
        columns = np.zeros((len(self._sums), size + across), self._sums.dtype)
        counts = np.empty((len(self._sums), size), np.float32)
        for block, wet in enumerate(self._wet):
            if not wet:
                continue
            top = block * size + edge * across
            bottom = top + width * across
            above, below = (self._sums[:, row : row + size] for row in (top, bottom))
            np.subtract(below, above, out=columns[:, :size])
            left, right = (columns[:, place : place + size] for place in (edge, edge + width))
            np.subtract(right, left, out=counts, dtype=columns.dtype, casting="unsafe")
            yield slice(block * size, (block + 1) * size), counts


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
    areas = SummedAreas(list(flat), margin)
    for width in widths:
        sums = np.zeros((len(flat), margin.down * margin.across), np.float32)
        for place, counts in areas.counts(width):
            sums[:, place] = counts
        yield torch.from_numpy(margin.cut(sums)).reshape(planes.shape).to(planes.device)


BLOCK = 32

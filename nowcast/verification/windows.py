"""Sums over square windows, exact and as fast for wide windows as for narrow ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def window_pixels(scale_km: float, pixel_km: float) -> int:
    """The odd number of pixels nearest to a scale, the larger of two as near; 1 at least."""
    # a twentieth of leeway: a pixel of 1.0003 km has the windows of one of 1 km
    return 2 * math.floor(scale_km / pixel_km / 2 + 0.05) + 1


def window_sums(planes: Tensor, widths: Sequence[int]) -> Iterator[Tensor]:
    """Sums over the square windows around each pixel; what lies outside the grid adds nothing.

    Runs of 1, 2, 4 … pixels are added to each other, in the narrowest integer that holds them; the
    columns' runs serve all widths.

    Args:
        planes: (..., H, W) bool.
        widths: Odd numbers of pixels.

    Yields:
        For each width (..., H, W) uint8, int16 or int32.
    """
    height, width = planes.shape[-2:]
    half = max(widths) // 2
    padded = F.pad(planes.view(torch.uint8), (half, half, half, half))
    runs = _runs(padded.to(_narrowest(max(widths))), max(widths), -2)
    for side in widths:
        edge = half - side // 2
        columns = _joined(runs, side, edge, height, -2).narrow(-1, edge, width + side - 1)
        columns = columns.to(_narrowest(side**2))
        yield _run_sums(columns, side, width, -1)


def _narrowest(most: int) -> torch.dtype:
    if most <= 255:
        return torch.uint8
    return torch.int16 if most <= 32767 else torch.int32


def _runs(values: Tensor, longest: int, axis: int) -> dict[int, Tensor]:
    """Sums of 1, 2, 4 … successive values along an axis, by where they start."""
    runs, span = {1: values}, 1
    while span * 2 <= longest:
        rest = runs[span].shape[axis] - span
        head, tail = (runs[span].narrow(axis, start, rest) for start in (0, span))
        span *= 2
        runs[span] = head + tail
    return runs


def _joined(runs: dict[int, Tensor], length: int, start: int, count: int, axis: int) -> Tensor:
    """Sums of `length` successive values, `count` of them from `start` on."""
    pieces = []
    for span, sums in runs.items():
        if length & span:
            pieces.append(sums.narrow(axis, start, count))
            start += span
    if len(pieces) == 1:
        return pieces[0]
    joined = pieces[0] + pieces[1]
    for piece in pieces[2:]:
        joined += piece
    return joined


def _run_sums(values: Tensor, length: int, count: int, axis: int) -> Tensor:
    """`count` sums of `length` successive values along an axis."""
    total = values.narrow(axis, length - 1, count)
    runs, span, start = values, 1, 0
    while start < length - 1:
        rest = runs.shape[axis] - span
        runs = runs.narrow(axis, 0, rest) + runs.narrow(axis, span, rest)
        span *= 2
        if length & span:
            piece = runs.narrow(axis, start, count)
            total = total + piece if start == 0 else total.add_(piece)
            start += span
    return total

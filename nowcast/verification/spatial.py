"""Was the rain near where it was forecast? The fractions skill score and its window sums."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.verification.categorical import count_pixels, ratio


class FractionSums(NamedTuple):
    """Sums over pixels that the fractions skill score is made of, float64, any shape."""

    numerator: Tensor
    denominator: Tensor


def window_pixels(scale_km: float, pixel_km: float) -> int:
    """The odd number of pixels nearest to a scale, the larger of two as near; 1 at least."""
    # a twentieth of leeway: a pixel of 1.0003 km has the windows of one of 1 km
    return 2 * math.floor(scale_km / pixel_km / 2 + 0.05) + 1


def window_sums(planes: Tensor, width: int) -> Tensor:
    """Sum over the square window around each pixel; what lies outside the grid adds nothing.

    Exact, and as fast for wide windows as for narrow ones: runs of 1, 2, 4 … pixels are added to
    each other, in the narrowest integer that holds them.

    Args:
        planes: (..., H, W) bool.
        width: Odd number of pixels.

    Returns:
        (..., H, W) uint8, int16 or int32.
    """
    half = width // 2
    padded = F.pad(planes.view(torch.uint8), (half, half, half, half))
    columns = _run_sums(padded.to(_narrowest(width)), width, -2)
    return _run_sums(columns.to(_narrowest(width**2)), width, -1)


def _narrowest(most: int) -> torch.dtype:
    if most <= 255:
        return torch.uint8
    return torch.int16 if most <= 32767 else torch.int32


def _run_sums(values: Tensor, width: int, axis: int) -> Tensor:
    """Sums of `width` successive values along an axis, which is shorter by width − 1 after."""
    length = values.shape[axis] - width + 1
    total = values.narrow(axis, width - 1, length).clone()
    runs, span, start = values, 1, 0
    while start < width - 1:
        rest = runs.shape[axis] - span
        runs = runs.narrow(axis, 0, rest) + runs.narrow(axis, span, rest)
        span *= 2
        if width & span:
            total += runs.narrow(axis, start, length)
            start += span
    return total


def sum_fractions(forecast: Tensor, observed: Tensor, known: Tensor, width: int) -> FractionSums:
    """Sums for the fractions skill score over one window width, each (F, T).

    Args:
        forecast: (F, T, H, W) bool, events among the known pixels only.
        observed: (T, H, W) bool, likewise.
        known: (H, W) bool, the pixels to compare.
        width: Odd number of pixels.

    Missing: A fraction is events over known pixels in the window, and is taken around known pixels
        alone. Beyond the grid's edge nothing is known.
    """
    if width == 1:
        events = count_pixels(forecast) + count_pixels(observed)
        return FractionSums(count_pixels(forecast ^ observed).double(), events.double())
    weight = known / window_sums(known, width).clamp(min=1)
    terms = []
    # plane by plane: that stays in the processor's cache
    for place, plane in enumerate(observed):
        there = window_sums(plane, width).float().mul_(weight)
        there_squared = _sum_squares(there)
        for forecast_plane in forecast[:, place]:
            here = window_sums(forecast_plane, width).float().mul_(weight)
            here_squared = _sum_squares(here)
            terms += [_sum_squares(here.sub_(there)), here_squared + there_squared]
    sums = torch.stack(terms).view(len(observed), len(forecast), 2)
    return FractionSums(*sums.permute(2, 1, 0))


def _sum_squares(shares: Tensor) -> Tensor:
    """In float64 over rows summed in float32, whose error averages out."""
    rows: Tensor = torch.linalg.vector_norm(shares, dim=-1)
    return rows.double().square_().sum()


def fractions_skill_score(numerator: Tensor, denominator: Tensor) -> Tensor:
    """How alike the shares of events in windows of one size are, forecast and observed.

    FSS = 1 − Σ(F − O)² / Σ(F² + O²) over the window fractions F, forecast, and O, observed.
    Range 0 to 1, best 1.

    Args:
        numerator: Sums Σ(F − O)² of any shape; the two must broadcast.
        denominator: Sums Σ(F² + O²).

    Undefined: NaN where nothing was forecast nor observed.

    Source: Roberts and Lean, 2008, Monthly Weather Review 136, 78-97, doi:10.1175/2007MWR2123.1.
    """
    return 1 - ratio(numerator, denominator)

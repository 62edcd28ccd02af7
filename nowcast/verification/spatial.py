"""Was the rain near where it was forecast? The fractions skill score and the useful scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.counts import Counts, count_events, ratio
from nowcast.verification.frame import Frame, Mask
from nowcast.verification.part import BY_SCALE, BY_THRESHOLD, FRACTION, Part, Score, Sum
from nowcast.verification.windows import BLOCK, SummedAreas


class FractionSums(NamedTuple):
    """Sums over pixels that the fractions skill score is made of, float64, any shape."""

    numerator: Tensor
    denominator: Tensor


def sum_fractions(
    forecast: Tensor, observed: Tensor, mask: Mask, table: Counts | None = None
) -> FractionSums:
    """Sums for the fractions skill score over the widths of a mask, each (F, T, S).

    Args:
        forecast: (F, T, H, W) bool, events among the compared pixels only.
        observed: (T, H, W) bool, likewise.
        mask: The compared pixels.
        table: Of the same events, if they are counted already.

    Missing: A fraction is events over compared pixels in the window, and is taken around compared
        pixels alone. Beyond the grid's edge nothing is compared.
    """
    hits, misses, false_alarms, _ = table or count_events(forecast, observed, mask.pixels)
    events = 2 * hits + misses + false_alarms
    single = torch.stack([misses + false_alarms, events]).double()
    sums = single[..., None].repeat(1, 1, 1, len(mask.widths))
    wet = events.any(0)
    wide = [place for place, width in enumerate(mask.widths) if width > 1]
    if wide and wet.any():
        levels = wet.nonzero().flatten().tolist()
        planes = [
            [field[level].cpu().numpy() for field in (observed, *forecast)] for level in levels
        ]
        shared = _sum_shares(planes, mask, [mask.widths[place] for place in wide])
        for place, both in zip(wide, shared, strict=True):
            sums[:, :, wet, place] = torch.from_numpy(both).to(sums)
    return FractionSums(*sums)


def _sum_shares(
    levels: Sequence[Sequence[NDArray[np.bool_]]], mask: Mask, widths: Sequence[int]
) -> list[NDArray[np.float64]]:
    """Σ(F − O)² and Σ(F² + O²), (2, F, T), by width, of T × (1 + F) planes, the observed first."""
    shape = (len(widths), len(levels[0]), len(levels), mask.margin.down)
    squares, products = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    areas, shares = SummedAreas(len(levels[0]), mask.margin), mask.shares
    wet = np.zeros(mask.margin.down // BLOCK, np.bool_)
    for level, planes in enumerate(levels):
        wet |= areas.fill(planes)
        for place, width in enumerate(widths):
            for rows, counts in areas.counts(width):
                counts *= shares[width][rows]
                # row by row: sums of that length are single threaded and alike whatever the grid
                np.vecdot(counts, counts, out=squares[place, :, level, rows])
                np.vecdot(counts[1:], counts[:1], out=products[place, 1:, level, rows])
    return [_sum_rows(*rows, wet) for rows in zip(squares, products, strict=True)]


def _sum_rows(
    squares: NDArray[np.float32], products: NDArray[np.float32], wet: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Σ(F − O)² and Σ(F² + O²) of sums by row, (1 + F, T, rows), in double precision."""
    blocks = [
        np.moveaxis(rows.reshape(*rows.shape[:2], -1, BLOCK).sum(-1, dtype=np.float64), -1, 0)
        for rows in (squares, products[1:])
    ]
    here_there, product = (np.ascontiguousarray(sums[wet]).sum(0) for sums in blocks)
    both = here_there[1:] + here_there[:1]
    return np.stack([np.maximum(both - 2 * product, 0), both])


def fractions_skill_score(numerator: Tensor, denominator: Tensor) -> Tensor:
    """How alike the shares of events in windows of one size are, forecast and observed.

    FSS = 1 − Σ(F − O)² / Σ(F² + O²) over the window fractions F, forecast, and O, observed.
    Range 0 to 1, best 1.

    Args:
        numerator: Sums Σ(F − O)² of any shape; the two must broadcast.
        denominator: Sums Σ(F² + O²).

    Missing: Fractions are of the compared pixels, and taken around them alone.

    Undefined: NaN where nothing was forecast nor observed.

    Source: Roberts and Lean, 2008, Monthly Weather Review 136, 78-97, doi:10.1175/2007MWR2123.1.
    """
    return 1 - ratio(numerator, denominator)


def useful_scale(
    numerator: Tensor,
    denominator: Tensor,
    hits: Tensor,
    misses: Tensor,
    pixels: Tensor,
    scales: Tensor,
) -> Tensor:
    """The smallest scale from which on the fractions skill score tells of use.

    The first of the scales where FSS > 0.5 + base rate / 2 there and at all larger ones; the base
    rate is the observed share of events. Range: the scales, best the smallest.

    Args:
        numerator: Sums Σ(F − O)², (..., T, S), of rising scales.
        denominator: Sums Σ(F² + O²), (..., T, S).
        hits: Counts (..., T).
        misses: Counts (..., T).
        pixels: Compared pixels (...).
        scales: (S,) in km.

    Undefined: NaN where none of the scales is useful.

    Source: Skok and Roberts, 2016, Quarterly Journal of the Royal Meteorological Society 142,
        doi:10.1002/qj.2849.
    """
    base_rate = ratio(hits + misses, pixels[..., None])
    useful = fractions_skill_score(numerator, denominator) > 0.5 + base_rate[..., None] / 2
    onwards = useful.flip(-1).long().cumprod(-1).flip(-1).bool()
    return torch.where(onwards, scales, math.inf).amin(-1).where(onwards.any(-1), math.nan)


def count(frame: Frame) -> dict[str, Tensor]:
    """The sums of the fractions skill score of a frame."""
    sums = sum_fractions(frame.forecast_events, frame.observed_events, frame.mask, frame.table)
    return {"fss_numerator": sums.numerator, "fss_denominator": sums.denominator}


_FRACTIONS = ("fss_numerator", "fss_denominator")

PART = Part(
    count,
    {
        "fss_numerator": Sum("sum of squared differences of fractions", BY_SCALE),
        "fss_denominator": Sum("sum of squared fractions, forecast and observed", BY_SCALE),
    },
    {
        "fss": Score(
            "fractions skill score", fractions_skill_score, _FRACTIONS, FRACTION, "1", BY_SCALE
        ),
        "useful_scale": Score(
            "smallest scale with a fractions skill score of use",
            useful_scale,
            (*_FRACTIONS, "hits", "misses", "pixels"),
            "the scales",
            "smallest",
            BY_THRESHOLD,
            "km",
            ("scale",),
        ),
    },
)

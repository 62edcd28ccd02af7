"""Was the rain near where it was forecast? The fractions skill score and the useful scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nowcast.verification.counts import RUN, count_pixels, ratio
from nowcast.verification.frame import Frame, Mask
from nowcast.verification.part import BY_SCALE, BY_THRESHOLD, FRACTION, Part, Score, Sum
from nowcast.verification.windows import window_sums


class FractionSums(NamedTuple):
    """Sums over pixels that the fractions skill score is made of, float64, any shape."""

    numerator: Tensor
    denominator: Tensor


def sum_fractions(forecast: Tensor, observed: Tensor, mask: Mask) -> FractionSums:
    """Sums for the fractions skill score over the widths of a mask, each (F, T, S).

    Args:
        forecast: (F, T, H, W) bool, events among the compared pixels only.
        observed: (T, H, W) bool, likewise.
        mask: The compared pixels.

    Missing: A fraction is events over compared pixels in the window, and is taken around compared
        pixels alone. Beyond the grid's edge nothing is compared.
    """
    terms = [_compare(forecast[:, place], there, mask) for place, there in enumerate(observed)]
    sums = torch.stack(terms, dim=2)
    return FractionSums(sums[0], sums[1])


def _compare(forecast: Tensor, observed: Tensor, mask: Mask) -> Tensor:
    """Both sums of one threshold, (2, F, S)."""
    wide = [width for width in mask.widths if width > 1]
    terms = []
    if len(wide) < len(mask.widths):
        events = count_pixels(forecast) + count_pixels(observed)
        terms.append(torch.stack([count_pixels(forecast ^ observed), events]).double())
    if wide:
        windows = [_window_counts(events, wide) for events in (observed, *forecast)]
        for width, (there, *here) in zip(wide, zip(*windows, strict=True), strict=True):
            terms.append(_sum_shares(here, there, mask.shares[width]))
    return torch.stack(terms, dim=-1)


def _window_counts(events: Tensor, widths: Sequence[int]) -> Sequence[Tensor | None]:
    """Events in the windows of each width, flat; None for nothing but zeros."""
    if not count_pixels(events):
        return [None] * len(widths)
    return [counts.reshape(-1) for counts in window_sums(events, widths)]


def _sum_shares(
    forecast: Sequence[Tensor | None], observed: Tensor | None, shares: Tensor
) -> Tensor:
    """Σ(F − O)² and Σ(F² + O²), (2, F), of counts that each pixel has a share for."""
    weight = shares.reshape(-1)
    zero = weight.new_zeros(())
    terms = []
    # run by run: that stays in the processor's cache
    for start in range(0, len(weight), RUN):
        run = slice(start, start + RUN)
        there = None if observed is None else observed[run].float().mul_(weight[run])
        there_squared = zero if there is None else torch.dot(there, there)
        for counts in forecast:
            here = None if counts is None else counts[run].float().mul_(weight[run])
            here_squared = zero if here is None else torch.dot(here, here)
            if here is None or there is None:
                apart = here_squared + there_squared
            else:
                apart = torch.dot(here.sub_(there), here)
            terms += [apart, here_squared, there_squared]
    sums = torch.stack(terms).view(-1, len(forecast), 3).sum(0, dtype=torch.float64)
    return torch.stack([sums[:, 0], sums[:, 1] + sums[:, 2]])


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
        2530-2543, doi:10.1002/qj.2849.
    """
    base_rate = ratio(hits + misses, pixels[..., None])
    useful = fractions_skill_score(numerator, denominator) > 0.5 + base_rate[..., None] / 2
    onwards = useful.flip(-1).long().cumprod(-1).flip(-1).bool()
    return torch.where(onwards, scales, math.inf).amin(-1).where(onwards.any(-1), math.nan)


def count(frame: Frame) -> dict[str, Tensor]:
    """The sums of the fractions skill score of a frame."""
    sums = sum_fractions(frame.forecast_events, frame.observed_events, frame.mask)
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

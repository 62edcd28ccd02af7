"""How good would a forecast be without its bias? CSI at the observed frequency of events.

Costs about a tenth of the default parts together.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nowcast.verification.counts import ratio
from nowcast.verification.frame import Frame
from nowcast.verification.part import BY_LEAD, BY_THRESHOLD, FRACTION, Part, Score, Sum
from nowcast.verification.protocol import BINS_DBZ


def count(frame: Frame) -> dict[str, Tensor]:
    """Pixels by what was forecast, in steps of 1 dB, and by the thresholds observed to be met."""
    bins, classes = len(BINS_DBZ) + 1, len(frame.protocol.thresholds) + 1
    size = bins * classes
    outside = frame.mask.known.logical_not().view(torch.uint8).to(torch.int32) * size
    observed = frame.observed_class.to(torch.int32) + outside
    step = BINS_DBZ[1] - BINS_DBZ[0]
    rows = []
    for field in frame.forecast:
        level = ((field - (BINS_DBZ[0] - step)) / step).clamp_(0, bins - 1).to(torch.int32)
        places = level.mul_(classes).add_(observed).view(-1)
        rows.append(torch.bincount(places, minlength=2 * size)[:size].view(bins, classes))
    return {"dbz_histogram": torch.stack(rows)}


def matched_index(histogram: Tensor, edges: Tensor) -> Tensor:
    """CSI of a forecast whose threshold is moved until it has as many events as were observed.

    Matched CSI = h / (2 n − h), n the observed events and h those among the n pixels of highest
    forecast; inside a bin of the histogram hits are spread evenly. Range 0 to 1, best 1.
    Also called: bias-adjusted threat score, of which it is one kind.

    Args:
        histogram: Pixels (..., B, T + 1) by forecast bin and by number of thresholds observed to
            be met; the first bin holds all below the others.
        edges: (B,) where bins begin.

    Undefined: NaN where nothing was observed, and where the forecast has too few pixels outside
        the first bin.

    Source: Mesinger, 2008, Advances in Geosciences 16, 137-142, doi:10.5194/adgeo-16-137-2008.
    """
    hits, events, _ = _match(histogram, edges)
    return ratio(hits, 2 * events - hits)


def matched_limit(histogram: Tensor, edges: Tensor) -> Tensor:
    """The forecast reflectivity at which a forecast has as many events as were observed.

    Range −∞ to ∞ dBZ, best the threshold itself.

    Args:
        histogram: As of `matched_index`.
        edges: (B,) where bins begin.

    Undefined: As of `matched_index`.

    Source: Mesinger, 2008, Advances in Geosciences 16, 137-142, doi:10.5194/adgeo-16-137-2008.
    """
    return _match(histogram, edges)[2]


def _match(histogram: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hits, events and limit (..., T) where forecast and observed events are as many."""
    below = histogram.to(torch.float64).cumsum(-2)
    whole = below[..., -1, :]
    bins, rates = below.shape[-2], whole.shape[-1] - 1
    met = torch.ones(rates, rates + 1, dtype=below.dtype, device=below.device).triu(1)
    events = whole @ met.T
    forecast = (whole.sum(-1, keepdim=True) - below.sum(-1)).flip(-1)
    place = torch.searchsorted(forecast, events)
    defined = (place < bins) & (events > 0)
    place = place.clamp(1, bins - 1)
    low, high = (forecast.gather(-1, place - back) for back in (1, 0))
    share = (events - low) / (high - low).clamp(min=1)
    first, last = (_hits(below, bins - 1 - place + back, met) for back in (1, 0))
    lower = edges.to(below).flip(0)[place - 1]
    width = float(edges[-1] - edges[-2])
    matched = first + share * (last - first)
    limit = lower + width * (1 - share)
    nothing = torch.full_like(matched, torch.nan)
    return (
        torch.where(defined, matched, nothing),
        torch.where(defined, events, nothing),
        torch.where(defined, limit, nothing),
    )


def _hits(below: Tensor, bins: Tensor, met: Tensor) -> Tensor:
    """Pixels (..., T) above a bin for each threshold that meet it, of sums up to each bin."""
    rows = bins[..., None].expand(*bins.shape, below.shape[-1])
    return ((below[..., -1:, :] - below.gather(-2, rows)) * met).sum(-1)


PART = Part(
    count,
    {
        "dbz_histogram": Sum(
            "pixels by forecast reflectivity and observed intensity",
            (*BY_LEAD, "dbz_bin", "intensity"),
            dtype=np.int32,
        )
    },
    {
        "matched_csi": Score(
            "critical success index at matched frequency",
            matched_index,
            ("dbz_histogram",),
            FRACTION,
            "1",
            BY_THRESHOLD,
            axes=("dbz_bin",),
        ),
        "matched_limit": Score(
            "forecast reflectivity at matched frequency",
            matched_limit,
            ("dbz_histogram",),
            "-infinity to infinity",
            "threshold_dbz",
            BY_THRESHOLD,
            "dBZ",
            ("dbz_bin",),
        ),
    },
)

"""How good are a forecast's odds? What one frame of an ensemble adds to the sums.

Costs about as much as the default parts together for a single forecast, more for each member.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from nowcast.verification import odds
from nowcast.verification.counts import at_least, event_limit, rain_rates, total
from nowcast.verification.frame import Frame
from nowcast.verification.part import BY_LEAD, BY_THRESHOLD, FRACTION, POSITIVE, Part, Score, Sum
from nowcast.verification.protocol import PROBABILITIES

BY_PROBABILITY = (*BY_THRESHOLD, "probability")
BY_RANK = (*BY_LEAD, "rank")


def count(frame: Frame) -> dict[str, Tensor]:
    """The sums of a frame's ensembles; a single forecast is an ensemble of one."""
    rows = [_count(frame, members) for members in frame.members]
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _count(frame: Frame, members: Tensor) -> dict[str, Tensor]:
    rates = frame.mask.cut(rain_rates(frame.protocol.zr, members))
    size = len(members)
    spread = rates.var(0) * (size + 1) / size if size > 1 else torch.zeros_like(rates[0])
    tables = [_table(frame, members, level) for level in range(len(frame.protocol.thresholds))]
    return {
        "crps_sum": total(odds.fair_crps(rates, frame.observed_rate)),
        "spread_sum": total(spread),
        "rank_counts": _ranks(frame, members),
        **{
            name: torch.stack([table[name] for table in tables])
            for name in ("brier_sum", "probability_pixels", "probability_sum", "probability_events")
        },
    }


def _table(frame: Frame, members: Tensor, level: int) -> dict[str, Tensor]:
    """Sums of one threshold, from pixels by number of members with the event and by outcome."""
    size, known = len(members), frame.mask.known
    limit = event_limit(frame.protocol.thresholds_dbz[level])
    agreeing = (at_least(members, limit) & known).sum(0)
    code = agreeing * 2 + frame.observed_events[level]
    table = torch.bincount(code.view(-1), minlength=2 * size + 2).view(size + 1, 2).clone()
    table[0, 0] -= known.numel() - frame.mask.pixels
    share = torch.arange(size + 1, dtype=torch.float64, device=table.device) / size
    pixels, events = table.sum(1), table[:, 1]
    place = (share * (len(PROBABILITIES) - 1)).round().long()

    def binned(values: Tensor) -> Tensor:
        return values.new_zeros(len(PROBABILITIES)).index_add_(0, place, values)

    return {
        "brier_sum": (events * (1 - share) ** 2 + table[:, 0] * share**2).sum(),
        "probability_pixels": binned(pixels),
        "probability_sum": binned(pixels * share),
        "probability_events": binned(events),
    }


def _ranks(frame: Frame, members: Tensor) -> Tensor:
    """Pixels by the number of members below the observed; where some equal it, ranks share it."""
    size, ranks = len(members), frame.protocol.members + 1
    below = (members < frame.observed).sum(0)
    level = (members == frame.observed).sum(0)
    code = (below * (size + 1) + level)[frame.mask.known]
    table = torch.bincount(code, minlength=(size + 1) ** 2).view(size + 1, size + 1).double()
    counts = torch.zeros(ranks, dtype=torch.float64, device=members.device)
    if size + 1 != ranks:
        return counts
    for first in range(size + 1):
        for tied in range(size + 1 - first):
            counts[first : first + tied + 1] += table[first, tied] / (tied + 1)
    return counts


_DECOMPOSED = ("probability_pixels", "probability_sum", "probability_events")
_score = partial(Score, dims=BY_THRESHOLD)

PART = Part(
    count,
    {
        "crps_sum": Sum("sum of fair CRPS", units="mm h-1"),
        "spread_sum": Sum("sum of (M + 1) / M of the members' variance", units="mm2 h-2"),
        "rank_counts": Sum("pixels by the observed's rank among the members", BY_RANK),
        "brier_sum": Sum("sum of squared errors of probability", BY_THRESHOLD),
        "probability_pixels": Sum("pixels by forecast probability", BY_PROBABILITY, dtype=np.int64),
        "probability_sum": Sum("sum of forecast probability", BY_PROBABILITY),
        "probability_events": Sum(
            "observed events by forecast probability", BY_PROBABILITY, dtype=np.int64
        ),
    },
    {
        "crps": Score(
            "fair continuous ranked probability score",
            odds.mean_crps,
            ("crps_sum", "pixels"),
            POSITIVE,
            "0",
            units="mm h-1",
        ),
        "spread_skill": Score(
            "spread of the members for each unit of error",
            odds.spread_skill,
            ("spread_sum", "squared_error_sum"),
            POSITIVE,
            "1",
        ),
        "rank_histogram": Score(
            "share of pixels by rank", odds.rank_shares, ("rank_counts",), FRACTION, "even", BY_RANK
        ),
        "brier": _score("Brier score", odds.brier_score, ("brier_sum", "pixels"), FRACTION, "0"),
        "brier_reliability": _score(
            "reliability of the Brier score", odds.reliability, _DECOMPOSED, FRACTION, "0"
        ),
        "brier_resolution": _score(
            "resolution of the Brier score", odds.resolution, _DECOMPOSED[::2], "0 to 1/4", "1/4"
        ),
        "brier_uncertainty": _score(
            "uncertainty of the Brier score", odds.uncertainty, _DECOMPOSED[::2], "0 to 1/4", "none"
        ),
        "observed_frequency": Score(
            "share of observed events by forecast probability",
            odds.observed_frequency,
            _DECOMPOSED[::2],
            FRACTION,
            "the probability",
            BY_PROBABILITY,
        ),
        "roc_area": _score(
            "area under the ROC curve", odds.roc_area, _DECOMPOSED[::2], FRACTION, "1"
        ),
    },
)

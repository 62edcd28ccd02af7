"""Which issue times to look at: chosen by their scores, not by eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from flows.verification import Comparison
from nowcast.verification.pooling import in_blocks
from pipeline.store import Store

THRESHOLD = 1.0
REFERENCE = "extrapolation"
ENOUGH = 0.1


def choose_cases(
    comparison: Comparison, slots: Sequence[int], scores: xr.Dataset
) -> list[tuple[int, str]]:
    """The wettest issue time, the typical and the worst, each once, with the reason.

    Typical and worst are told by the CSI of extrapolation at THRESHOLD, averaged over lead times,
    or of the last forecaster where extrapolation is not compared; among issue times with at least
    ENOUGH of the mean number of observed events.

    Args:
        comparison: Who is compared.
        slots: The issue times of the scores, as slots.
        scores: A scores file.
    """
    names = list(comparison.entrants)
    reference = REFERENCE if REFERENCE in names else names[-1]
    minutes = comparison.minutes * comparison.steps
    span = "hour" if minutes == 60 else f"{minutes} minutes"
    reasons = {wettest(comparison.store, slots, comparison.steps): f"the wettest {span}"}
    csi = csi_by_issue_time(scores, reference)
    ranked = np.argsort(csi, kind="stable")[: int(np.isfinite(csi).sum())]
    if ranked.size:
        typical, worst = ranked[(ranked.size - 1) // 2], ranked[0]
        reasons.setdefault(slots[typical], f"typical: the median CSI of {reference}")
        reasons.setdefault(slots[worst], f"the worst: the lowest CSI of {reference}")
    return list(reasons.items())


def csi_by_issue_time(scores: xr.Dataset, forecaster: str) -> NDArray[np.float64]:
    """Mean CSI over lead times of each issue time, NaN where too little was observed."""
    level = int(np.abs(scores["threshold"].to_numpy() - THRESHOLD).argmin())
    place = scores["forecaster"].to_numpy().tolist().index(forecaster)
    chosen = scores.isel(forecaster=place, threshold=level)
    counts = (in_blocks(chosen[name]) for name in ("hits", "misses", "false_alarms"))
    means, events = [np.empty(0)], [np.empty(0)]
    for (_, hits), (_, misses), (_, false_alarms) in zip(*counts, strict=True):
        events.append((hits + misses).sum(1))
        means.append(_mean_csi(hits, hits + misses + false_alarms))
    observed, csi = np.concatenate(events), np.concatenate(means)
    return np.where((observed > 0) & (observed >= ENOUGH * observed.mean()), csi, np.nan)


def _mean_csi(hits: NDArray[np.int64], either: NDArray[np.int64]) -> NDArray[np.float64]:
    """Over the lead times (issue_time, lead_time) at which it is defined."""
    csi = np.divide(hits, either, out=np.full(hits.shape, np.nan), where=either > 0)
    known = np.isfinite(csi)
    total, count = np.where(known, csi, 0).sum(1), known.sum(1)
    mean: NDArray[np.float64] = np.full(len(csi), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def wettest(store: Store, slots: Sequence[int], steps: int) -> int:
    """The issue slot whose verifying frames hold most rain."""
    stretch = slice(slots[0] + 1, slots[-1] + 1 + steps)
    shares = store.column("wet_share", stretch) * store.column("observed_share", stretch)
    rain = np.concatenate([[0.0], np.cumsum(np.nan_to_num(shares), dtype=np.float64)])
    first = np.asarray(slots) - slots[0]
    return int(slots[int(np.argmax(rain[first + steps] - rain[first]))])

"""Which issue times to look at: chosen by their scores, not by eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from flows.verification import Comparison
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
    hits, misses, false_alarms = (
        scores[name].isel(forecaster=place, threshold=level).transpose("issue_time", ...).to_numpy()
        for name in ("hits", "misses", "false_alarms")
    )
    events = (hits + misses).sum(1)
    either = hits + misses + false_alarms
    csi = np.divide(hits, either, out=np.full(hits.shape, np.nan), where=either > 0)
    known = np.isfinite(csi)
    mean = np.divide(
        np.where(known, csi, 0).sum(1),
        known.sum(1),
        out=np.full(len(csi), np.nan),
        where=known.any(1),
    )
    return np.where((events > 0) & (events >= ENOUGH * events.mean()), mean, np.nan)


def wettest(store: Store, slots: Sequence[int], steps: int) -> int:
    """The issue slot whose verifying frames hold most rain."""
    stretch = slice(slots[0] + 1, slots[-1] + 1 + steps)
    shares = store.column("wet_share", stretch) * store.column("observed_share", stretch)
    rain = np.concatenate([[0.0], np.cumsum(np.nan_to_num(shares), dtype=np.float64)])
    first = np.asarray(slots) - slots[0]
    return int(slots[int(np.argmax(rain[first + steps] - rain[first]))])

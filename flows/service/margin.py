"""By how much one forecaster is ahead of another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from flows.scores_files import opened
from nowcast.report.intervals import Sample
from nowcast.verification.scores_file import SCORES, derive_score
from nowcast.verification.uncertainty import Resampling, difference
from pipeline.clock import clock

THRESHOLD = 1.0
# fewer make an interval that is narrower than it should be
FEWEST_BLOCKS = 10


@dataclass(frozen=True)
class Margin:
    """The difference in CSI at THRESHOLD, counts of all lead times pooled.

    Args:
        first: A forecaster.
        second: Another.
        csi: Of both.
        low: Lower end of the interval of the first's less the second's.
        high: Its upper end.
        issue_times: How many were compared.
        start: The first of them.
        end: The last of them.

    Undefined: `low` and `high` are NaN where there are too few issue times, or too few with rain.
    """

    first: str
    second: str
    csi: tuple[float, float]
    low: float
    high: float
    issue_times: int
    start: np.datetime64
    end: np.datetime64

    @property
    def ahead(self) -> bool:
        """Whether the first is better by more than chance: the interval lies above zero."""
        return self.low > 0

    def sentence(self) -> str:
        """Who is better, by how much, as seen when."""
        known = "is better than" if self.ahead else "is not known to be better than"
        return (
            f"{self.first} {known} {self.second}: CSI at {THRESHOLD:g} mm/h over all lead times "
            f"{self.csi[0]:.3f} against {self.csi[1]:.3f}, {self.numbers()}, of {self.issue_times} "
            f"issue times from {clock(self.start)} to {clock(self.end)}"
        )

    def numbers(self) -> str:
        """The difference and its interval."""
        if math.isnan(self.low):
            return "no interval as there are too few issue times, or too few with rain"
        estimate = self.csi[0] - self.csi[1]
        return f"{estimate:+.3f} with a 95 % interval from {self.low:+.3f} to {self.high:+.3f}"


def blocks(scores: xr.Dataset) -> float:
    """How many hours the issue times of a scores file make."""
    return Sample.of(scores).blocks


def margin(path: Path, first: str, second: str) -> Margin:
    """How far a forecaster is ahead of another in a scores file.

    Block bootstrap over issue times, an hour of them drawn together, see `Resampling`.

    Args:
        path: The scores file.
        first: A forecaster in it.
        second: Another.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold the forecasters, or THRESHOLD.
    """
    with opened(path) as scores:
        sums = _pooled(scores, path)
        sample = Sample.of(scores)
    found = difference("csi", sums, first, second, Resampling(block=sample.block)).squeeze()
    csi = derive_score("csi", sums).squeeze()
    enough = sample.blocks >= FEWEST_BLOCKS
    times = sums["issue_time"].to_numpy().astype("datetime64[ns]")
    return Margin(
        first,
        second,
        (float(csi.sel(forecaster=first)), float(csi.sel(forecaster=second))),
        float(found["low"]) if enough else math.nan,
        float(found["high"]) if enough else math.nan,
        len(times),
        times.min(),
        times.max(),
    )


def _pooled(scores: xr.Dataset, path: Path) -> xr.Dataset:
    """The counts of THRESHOLD, lead times added up into one."""
    place = np.flatnonzero(np.isclose(scores["threshold"], THRESHOLD))
    if not place.size:
        raise ValueError(f"{path}: expected counts at {THRESHOLD:g} mm/h, found none")
    counts = {}
    for term in SCORES["csi"].sums:
        count = scores[term].isel(threshold=place).sum("lead_time").load()
        counts[term] = count.expand_dims(lead_time=1).transpose(*scores[term].dims)
    return xr.Dataset(counts)

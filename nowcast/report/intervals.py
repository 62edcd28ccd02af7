"""How far the scores of a sample can be trusted: intervals of every line, and who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from nowcast.verification.scores_file import SCORES
from nowcast.verification.uncertainty import Resampling, bootstraps, differences

RAIN_MINUTES = 60
FEWEST_BLOCKS = 3
FEW_BLOCKS = 10
DRAWN_RESAMPLES = 500
DRAWN = (
    *("csi", "matched_csi", "frequency_bias", "fss", "mae", "rmse", "missing_share"),
    *("ssim", "sal_structure", "sal_amplitude", "sal_location"),
    *("crps", "spread_skill"),
)


@dataclass(frozen=True)
class Sample:
    """The issue times of a scores file, as evidence.

    Args:
        count: Issue times.
        block: Of them in an hour, as far apart as they mostly are; drawn together.
    """

    count: int
    block: int

    @classmethod
    def of(cls, scores: xr.Dataset) -> Sample:
        """The sample of a scores file."""
        times = scores["issue_time"].to_numpy().astype("datetime64[s]").astype(np.int64)
        if len(times) < 2:
            return cls(len(times), 1)
        minutes = float(np.median(np.diff(np.sort(times)))) / 60
        return cls(len(times), max(1, round(RAIN_MINUTES / minutes)) if minutes else 1)

    @property
    def blocks(self) -> float:
        """How many blocks the issue times make; about as many independent cases."""
        return self.count / self.block

    @property
    def resampling(self) -> Resampling | None:
        """How issue times are drawn; None where they are too few for any interval."""
        if self.blocks < FEWEST_BLOCKS:
            return None
        return Resampling(block=self.block)


def make_intervals(scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """Score → its `low` and `high`, for the scores that charts draw.

    Undefined: None where the issue times are too few.
    """
    resampling = Sample.of(scores).resampling
    if resampling is None:
        return {}
    names = [name for name in DRAWN if name in scores and _by_issue_time(name, scores)]
    return bootstraps(names, scores, replace(resampling, resamples=DRAWN_RESAMPLES))


def _by_issue_time(name: str, scores: xr.Dataset) -> bool:
    held = SCORES[name].sums
    return all(term in scores and "issue_time" in scores[term].dims for term in held)


@dataclass(frozen=True)
class Standing:
    """One score of the best forecaster at one place, beside all others.

    Args:
        values: Forecaster → value, of those where it is defined, best first.
        beaten: Those that the first is better than, the interval of the difference beside zero.
        gains: Forecaster → (difference, low, high), the first's score less theirs.
    """

    values: Mapping[str, float]
    beaten: tuple[str, ...]
    gains: Mapping[str, tuple[float, float, float]]

    @property
    def first(self) -> str:
        """The best in the sample."""
        return next(iter(self.values))

    @property
    def level(self) -> tuple[str, ...]:
        """Others that the first cannot be told apart from."""
        return tuple(name for name in self.values if name not in (self.first, *self.beaten))


def make_standing(scores: xr.Dataset, names: Sequence[str]) -> Standing | None:
    """Who has the highest CSI, and whom it beats; None where CSI is defined for nobody.

    Args:
        scores: A scores file of one lead time and one threshold.
        names: Of the forecasters.
    """
    csi = {name: float(scores["csi"].sel(forecaster=name).item()) for name in names}
    ranked = sorted((name for name in names if np.isfinite(csi[name])), key=lambda name: -csi[name])
    if not ranked:
        return None
    resampling = Sample.of(scores).resampling
    if resampling is None or len(ranked) == 1:
        return Standing({name: csi[name] for name in ranked}, (), {})
    found = differences("csi", scores, ranked[0], ranked[1:], resampling)
    gains, beaten = {}, []
    for name, apart in found.items():
        ends = tuple(float(apart[end].item()) for end in ("estimate", "low", "high"))
        gains[name] = (ends[0], ends[1], ends[2])
        if int(apart["better"].item()) == 1:
            beaten.append(name)
    return Standing({name: csi[name] for name in ranked}, tuple(beaten), gains)

"""Is the difference more than chance? Block bootstrap over issue times, and a test beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.part import Score
from nowcast.verification.scores_file import evaluate, known_score


@dataclass(frozen=True)
class Resampling:
    """How issue times are drawn.

    Blocks of successive issue times are drawn with replacement, the last followed by the first, so
    that rain that lasts is drawn together.

    Args:
        block: Issue times in a block; about as many as rain takes to change.
        resamples: Times that the whole is drawn again.
        level: Share of the resamples inside an interval.
        seed: Decides what is drawn.

    Raises:
        ValueError: If there is less than one block or resample, or the level is not inside 0 to 1.

    Source: Politis and Romano, 1992, in LePage and Billard (eds.), Exploring the Limits of
        Bootstrap, Wiley, 263-270; Künsch, 1989, Annals of Statistics 17, 1217-1241,
        doi:10.1214/aos/1176347265.
    """

    block: int = 12
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("block", "resamples"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"bootstrap: expected {name} of 1 or more, found {getattr(self, name)}"
                )
        if not 0 < self.level < 1:
            raise ValueError(f"bootstrap: expected a level between 0 and 1, found {self.level}")

    def weights(self, count: int) -> Tensor:
        """How often each of `count` issue times is drawn, (resamples, count) float64."""
        generator = np.random.default_rng(self.seed)
        length = min(self.block, max(count, 1))
        blocks = math.ceil(count / length)
        starts = generator.integers(0, max(count, 1), (self.resamples, blocks))
        drawn = (starts[..., None] + np.arange(length)).reshape(self.resamples, -1)[:, :count]
        places = drawn % max(count, 1) + count * np.arange(self.resamples)[:, None]
        flat = np.bincount(places.ravel(), minlength=self.resamples * count)
        return torch.from_numpy(flat.reshape(self.resamples, count).astype(np.float64))

    def interval(self, values: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Percentiles of (resamples, ...), NaN where any resample is undefined."""
        tail = (1 - self.level) / 2
        low, high = torch.quantile(values, values.new_tensor([tail, 1 - tail]), dim=0)
        return low.numpy(), high.numpy()


def bootstrap(name: str, sums: xr.Dataset, resampling: Resampling | None = None) -> xr.Dataset:
    """A score of SCORES with its percentile interval.

    Args:
        name: Of the score.
        sums: A scores file.
        resampling: How issue times are drawn.

    Returns:
        `estimate`, `low` and `high`, each with the score's dimensions.

    Undefined: `low` and `high` are NaN where the score is undefined in some resample.

    Raises:
        ValueError: If there is no such score, or its sums are not kept by issue time.
    """
    draws, score = resampling or Resampling(), known_score(name, sums)
    drawn = _resampled(name, score, sums, draws)
    low, high = draws.interval(drawn[1:])
    return _dataset(score, sums, {"estimate": drawn[0].numpy(), "low": low, "high": high})


def difference(
    name: str, sums: xr.Dataset, first: str, second: str, resampling: Resampling | None = None
) -> xr.Dataset:
    """How much a score of two forecasters differs, and which is better.

    Both are drawn at the same issue times. A forecaster is better only where the interval of the
    difference in distance to the score's best value excludes zero; the distance is of logarithms
    for a ratio whose best is 1.

    Args:
        name: Of the score.
        sums: A scores file.
        first: A forecaster.
        second: Another.
        resampling: How issue times are drawn.

    Returns:
        `estimate`, `low` and `high` of the first's score less the second's, and `better`: 1 where
        the first is, −1 where the second is, 0 where neither is known to be.

    Raises:
        ValueError: If there is no such score or forecaster, or none is best.
    """
    draws, score = resampling or Resampling(), known_score(name, sums)
    names = sums["forecaster"].to_numpy().tolist()
    for forecaster in (first, second):
        if forecaster not in names:
            raise ValueError(f"difference: no forecaster {forecaster!r}; there are {names}")
    pair = sums.isel(forecaster=[names.index(first), names.index(second)])
    here, there = _resampled(name, score, pair, draws).unbind(1)
    gains = _distance(there, score) - _distance(here, score)
    worst, most = draws.interval(gains[1:])
    low, high = draws.interval((here - there)[1:])
    better = (worst > 0).astype(np.int8) - (most < 0).astype(np.int8)
    found = {"estimate": (here - there)[0].numpy(), "low": low, "high": high, "better": better}
    return _dataset(score, sums.drop_dims("forecaster", errors="ignore"), found)


def _distance(values: Tensor, score: Score) -> Tensor:
    try:
        best = float(score.best)
    except ValueError:
        raise ValueError(
            f"difference: expected a score with a best value, found {score.long_name}"
        ) from None
    if best == 1 and score.range == "0 to infinity":
        return values.log().abs()
    return (values - best).abs()


def _resampled(name: str, score: Score, sums: xr.Dataset, draws: Resampling) -> Tensor:
    """The score of all issue times, then of every resample: (1 + resamples, ...)."""
    together = [term for term in score.sums if "issue_time" not in sums[term].dims]
    if together:
        raise ValueError(
            f"score {name!r}: expected sums kept by issue time, found {together} pooled"
        )
    count = sums.sizes["issue_time"]
    weights = torch.cat([torch.ones(1, count, dtype=torch.float64), draws.weights(count)])
    terms = {}
    for term in score.sums:
        values = sums[term].transpose("issue_time", ...).to_numpy().astype(np.float64)
        table = torch.from_numpy(values.reshape(count, -1))
        terms[term] = (weights @ table).view(len(weights), *values.shape[1:])
    drawn = evaluate(score, terms, sums)
    return drawn.squeeze(1) if "forecaster" not in score.dims else drawn


def _dataset(score: Score, sums: xr.Dataset, found: dict[str, NDArray[np.float64]]) -> xr.Dataset:
    paired = "forecaster" not in sums.dims
    dims = tuple(dim for dim in score.dims if not (paired and dim == "forecaster"))
    coordinates = {
        name: axis.variable for name, axis in sums.coords.items() if {*axis.dims} <= {*dims}
    }
    described = {"long_name": score.long_name, "units": score.units}
    return xr.Dataset(
        {
            name: (dims, values, described if name != "better" else {})
            for name, values in found.items()
        },
        coordinates,
    )

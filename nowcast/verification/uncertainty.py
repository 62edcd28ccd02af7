"""Is the difference more than chance? Block bootstrap over issue times, and a test beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.part import Score
from nowcast.verification.parts import SUMS
from nowcast.verification.resampling import Resampling, resampled
from nowcast.verification.scores_file import evaluate, known_score

__all__ = ["Resampling", "bootstrap", "bootstraps", "difference", "differences"]

LARGEST = 2_000_000


def bootstrap(name: str, sums: xr.Dataset, resampling: Resampling | None = None) -> xr.Dataset:
    """A score of SCORES with its percentile interval; as `bootstraps` of one."""
    return bootstraps([name], sums, resampling)[name]


def bootstraps(
    names: Sequence[str], sums: xr.Dataset, resampling: Resampling | None = None
) -> dict[str, xr.Dataset]:
    """Scores of SCORES with their percentile intervals; the sums are read once, a few at a time.

    Args:
        names: Of the scores.
        sums: A scores file.
        resampling: How issue times are drawn.

    Returns:
        Name → `estimate`, `low` and `high`, each with the score's dimensions.

    Undefined: `low` and `high` are NaN where the score is undefined in some resample, and where
        there is no more than one block.

    Raises:
        ValueError: If there is no such score, or its sums are not kept by issue time.
    """
    draws, scores = resampling or Resampling(), {name: _by_time(name, sums) for name in names}
    terms = list(dict.fromkeys(term for score in scores.values() for term in score.sums))
    drawn = resampled(terms, sums, draws)
    return {name: _intervals(score, sums, drawn, draws) for name, score in scores.items()}


def _intervals(
    score: Score, sums: xr.Dataset, drawn: Mapping[str, Tensor], draws: Resampling
) -> xr.Dataset:
    """A few lead times at once, so that what becomes of the resamples fits into memory."""
    held = sums[list(score.sums)].assign_coords({axis: sums[axis] for axis in score.axes})
    places = {term: 1 + SUMS[term].dims.index("lead_time") for term in score.sums}
    leads, each = sums.sizes["lead_time"], []
    step = max(1, LARGEST // max(drawn[term].numel() // leads for term in score.sums))
    for first in range(0, leads, step):
        part = held.isel(lead_time=slice(first, first + step))
        count = part.sizes["lead_time"]
        terms = {term: drawn[term].narrow(place, first, count) for term, place in places.items()}
        values = _evaluated(score, terms, part)
        low, high = _ends(values[1:], sums, draws)
        found = {"estimate": values[0].numpy(), "low": low, "high": high}
        each.append(_dataset(score, part, found))
    return xr.concat(each, "lead_time", coords="minimal", compat="override")


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

    Undefined: `low` and `high` are NaN, and neither is better, where there is no more than one
        block of issue times.

    Raises:
        ValueError: If there is no such score or forecaster, or none is best.
    """
    return differences(name, sums, first, [second], resampling)[second]


def differences(
    name: str,
    sums: xr.Dataset,
    first: str,
    others: Sequence[str],
    resampling: Resampling | None = None,
) -> dict[str, xr.Dataset]:
    """Each of several others → its `difference`; the sums are read once, a few at a time."""
    draws, score = resampling or Resampling(), _by_time(name, sums)
    names = sums["forecaster"].to_numpy().tolist()
    for forecaster in (first, *others):
        if forecaster not in names:
            raise ValueError(f"difference: no forecaster {forecaster!r}; there are {names}")
    values = _evaluated(score, resampled(score.sums, sums, draws), sums)
    here = values[:, names.index(first)]
    bare = sums.drop_dims("forecaster", errors="ignore")
    found = {}
    for other in others:
        there = values[:, names.index(other)]
        gains = _distance(there, score) - _distance(here, score)
        worst, most = _ends(gains[1:], sums, draws)
        low, high = _ends((here - there)[1:], sums, draws)
        better = (worst > 0).astype(np.int8) - (most < 0).astype(np.int8)
        estimate = (here - there)[0].numpy()
        ends = {"estimate": estimate, "low": low, "high": high, "better": better}
        found[other] = _dataset(score, bare, ends)
    return found


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


def _by_time(name: str, sums: xr.Dataset) -> Score:
    """A score whose sums are kept by issue time."""
    score = known_score(name, sums)
    together = [term for term in score.sums if "issue_time" not in sums[term].dims]
    if together:
        raise ValueError(
            f"score {name!r}: expected sums kept by issue time, found {together} pooled"
        )
    return score


def _evaluated(score: Score, terms: Mapping[str, Tensor], sums: xr.Dataset) -> Tensor:
    """The score of all issue times, then of every resample: (1 + resamples, ...)."""
    drawn = evaluate(score, terms, sums)
    return drawn.squeeze(1) if "forecaster" not in score.dims else drawn


def _ends(
    values: Tensor, sums: xr.Dataset, draws: Resampling
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if sums.sizes["issue_time"] <= draws.block:
        values = torch.full_like(values, torch.nan)
    return draws.interval(values)


def _dataset(score: Score, sums: xr.Dataset, found: dict[str, NDArray[np.float64]]) -> xr.Dataset:
    paired = "forecaster" not in sums.dims
    dims = tuple(dim for dim in score.dims if not (paired and dim == "forecaster"))
    coordinates = {
        name: axis.variable.compute()
        for name, axis in sums.coords.items()
        if {*axis.dims} <= {*dims}
    }
    described = {"long_name": score.long_name, "units": score.units}
    return xr.Dataset(
        {
            name: (dims, values, described if name != "better" else {})
            for name, values in found.items()
        },
        coordinates,
    )

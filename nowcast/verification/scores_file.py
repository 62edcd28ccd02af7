"""What a scores file holds: sums by issue time, the scores derived from them, tables of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from nowcast.verification import continuous
from nowcast.verification.part import BY_LEAD, Score
from nowcast.verification.parts import SCORES, SUMS, scores_of
from nowcast.verification.pooling import pooled, pooled_by

__all__ = [
    "SCORES",
    "SUMS",
    "derive_score",
    "derive_skill",
    "score_table",
    "scores_from",
    "with_scores",
]

SKILLS = ("mae", "rmse", "mae_dbz", "rmse_dbz")
REFERENCES = {"persistence": "", "extrapolation": "_extrapolation"}


def derive_score(name: str, sums: xr.Dataset) -> xr.DataArray:
    """A score of SCORES from sums by issue time, pooled over all of them.

    Raises:
        ValueError: If there is no such score, or not all of its sums.
    """
    score = known_score(name, sums)
    terms = {term: torch.from_numpy(pooled(sums[term]).to_numpy()) for term in score.sums}
    values = evaluate(score, terms, sums)
    coordinates = {
        name: axis.variable for name, axis in sums.coords.items() if {*axis.dims} <= {*score.dims}
    }
    shaped = values.squeeze(0) if "forecaster" not in score.dims else values
    return xr.DataArray(shaped.numpy(), coordinates, score.dims, name, _attributes(score))


def known_score(name: str, sums: xr.Dataset) -> Score:
    """The entry of SCORES.

    Raises:
        ValueError: If there is no such score, or not all of its sums.
    """
    if name not in SCORES:
        raise ValueError(f"no score {name!r}; there are {sorted(SCORES)}")
    score: Score = SCORES[name]
    absent = [term for term in score.sums if term not in sums]
    if absent:
        raise ValueError(f"score {name!r}: found no sums {absent}; count the part that holds them")
    return score


def evaluate(score: Score, terms: Mapping[str, Tensor], sums: xr.Dataset) -> Tensor:
    """The score of sums (..., forecaster, lead_time, ...), the forecaster 1 where it is none.

    Args:
        score: What to evaluate.
        terms: Its sums, by name, any dimensions before those of `sums`.
        sums: Names their dimensions, without issue time, and holds the axes.
    """
    shaped = []
    for name in score.sums:
        dims = SUMS[name].dims
        shaped.append(
            terms[name] if "forecaster" in dims else terms[name].unsqueeze(-len(dims) - 1)
        )
    axes = (torch.tensor(sums[axis].to_numpy()) for axis in score.axes)
    values: Tensor = score.function(*shaped, *axes)
    return values


def _attributes(score: Score) -> dict[str, str]:
    return {
        "long_name": score.long_name,
        "units": score.units,
        "range": score.range,
        "best": score.best,
    }


def derive_skill(error: xr.DataArray, reference: str) -> xr.DataArray:
    """Skill of every forecaster's error against the error of the forecaster `reference`.

    Raises:
        ValueError: If the reference was not scored.
    """
    forecasters = error["forecaster"].to_numpy().tolist()
    if reference not in forecasters:
        raise ValueError(f"skill: no reference {reference!r} among the forecasters {forecasters}")
    against = error.sel(forecaster=[reference]).to_numpy()
    values = continuous.skill(torch.from_numpy(error.to_numpy()), torch.from_numpy(against))
    described = {
        "long_name": f"skill of {error.attrs['long_name']} against {reference}",
        "units": "1",
        "range": "-infinity to 1",
        "best": "1",
    }
    name = f"{error.name}_skill{REFERENCES.get(reference, f'_{reference}')}"
    return xr.DataArray(values.numpy(), error.coords, error.dims, name, described)


def with_scores(sums: xr.Dataset, parts: Sequence[str]) -> xr.Dataset:
    """The sums and every score of the parts, with skill against the references there are."""
    return sums.assign(scores_from(sums, parts))


def scores_from(sums: xr.Dataset, parts: Sequence[str]) -> dict[str, xr.DataArray]:
    """Every score of the parts, with skill against the references there are."""
    totals = sums.assign({name: pooled(sums[name]) for name in sums.data_vars if name in SUMS})
    scores = {name: derive_score(name, totals) for name in scores_of(parts)}
    for reference in REFERENCES:
        if reference in sums["forecaster"]:
            errors = [scores[name] for name in SKILLS if name in scores]
            skills = [derive_skill(error, reference) for error in errors]
            scores |= {str(skill.name): skill for skill in skills}
    return scores


def by_hour(name: str, sums: xr.Dataset) -> xr.DataArray:
    """A score of SCORES pooled over the issue times of each hour of the day, UTC.

    Returns:
        (hour, ...) of the hours there are.

    Raises:
        ValueError: If there is no such score, or its sums are not told apart by issue time.
    """
    score = known_score(name, sums)
    together = [term for term in score.sums if "issue_time" not in sums[term].dims]
    if together:
        raise ValueError(f"score {name!r}: {together} are of all issue times, not told by hour")
    hours, groups = np.unique(sums["issue_time"].dt.hour, return_inverse=True)
    terms = {term: pooled_by(sums[term], groups, hours.size) for term in score.sums}
    totals = sums.drop_dims("issue_time").assign(terms)
    each = [derive_score(name, totals.isel(group=place)) for place in range(hours.size)]
    axis = xr.Variable("hour", hours, {"long_name": "hour of issue, UTC", "units": "h"})
    return xr.concat(each, axis)


def score_table(
    scores: xr.Dataset, score: str = "csi", *, threshold: float = 1.0, scale: float = 20.0
) -> pd.DataFrame:
    """A score by forecaster (rows) and lead time in minutes (columns), best read side by side.

    Args:
        scores: A scores file.
        score: Any score in it of forecaster, lead time and at most threshold and scale.
        threshold: In mm/h; for scores that have one.
        scale: In km; for scores that have one.

    Raises:
        ValueError: If the file has no such score, threshold or scale.
    """
    if score not in _tabular(scores):
        raise ValueError(f"scores: no score {score!r}; there are {_tabular(scores)}")
    chosen = scores[score]
    for dim, wanted, unit in (("threshold", threshold, "mm/h"), ("scale", scale, "km")):
        if dim not in chosen.dims:
            continue
        present = np.isclose(chosen[dim], wanted)
        if not present.any():
            offered = ", ".join(f"{value:g}" for value in chosen[dim].to_numpy())
            raise ValueError(f"scores: expected a {dim} of {offered} {unit}, found {wanted:g}")
        chosen = chosen.isel({dim: int(present.argmax())})
    return chosen.transpose(*BY_LEAD).to_pandas()


def _tabular(scores: xr.Dataset) -> list[str]:
    names: Iterable[object] = scores.data_vars
    axes = {*BY_LEAD, "threshold", "scale"}
    return sorted(
        str(name)
        for name in names
        if name not in SUMS and {*BY_LEAD} <= {*scores[name].dims} <= axes
    )

"""What a scores file holds: sums by issue time, the scores derived from them, tables of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from nowcast.verification import categorical, continuous, spatial

BY_LEAD = ("forecaster", "lead_time")
BY_THRESHOLD = (*BY_LEAD, "threshold")
BY_SCALE = (*BY_THRESHOLD, "scale")


@dataclass(frozen=True)
class Sum:
    """One sum over pixels, kept for each issue time."""

    long_name: str
    dims: tuple[str, ...] = BY_LEAD
    units: str = "1"
    dtype: type = np.float64


@dataclass(frozen=True)
class Score:
    """One score: a function of sums pooled over issue times, or of scores named before it."""

    long_name: str
    function: Callable[..., Tensor]
    sums: tuple[str, ...]
    range: str
    best: str
    dims: tuple[str, ...] = BY_LEAD
    units: str = "1"


_TABLE = ("hits", "misses", "false_alarms", "correct_negatives")

SUMS = {
    "hits": Sum("events forecast and observed", BY_THRESHOLD, dtype=np.int64),
    "misses": Sum("events observed, not forecast", BY_THRESHOLD, dtype=np.int64),
    "false_alarms": Sum("events forecast, not observed", BY_THRESHOLD, dtype=np.int64),
    "correct_negatives": Sum("pixels without event", BY_THRESHOLD, dtype=np.int64),
    "pixels": Sum("compared pixels", dtype=np.int64),
    "observed_pixels": Sum("observed pixels", dtype=np.int64),
    "missing_pixels": Sum("observed pixels missing in the forecast", dtype=np.int64),
    "error_sum": Sum("sum of forecast minus observed rain rate", units="mm h-1"),
    "absolute_error_sum": Sum("sum of absolute rain rate errors", units="mm h-1"),
    "squared_error_sum": Sum("sum of squared rain rate errors", units="mm2 h-2"),
    "fss_numerator": Sum("sum of squared differences of fractions", BY_SCALE),
    "fss_denominator": Sum("sum of squared fractions, forecast and observed", BY_SCALE),
}

SCORES = {
    "csi": Score(
        "critical success index",
        categorical.critical_success_index,
        _TABLE[:3],
        "0 to 1",
        "1",
        BY_THRESHOLD,
    ),
    "pod": Score(
        "probability of detection",
        categorical.probability_of_detection,
        _TABLE[:2],
        "0 to 1",
        "1",
        BY_THRESHOLD,
    ),
    "far": Score(
        "false alarm ratio",
        categorical.false_alarm_ratio,
        ("hits", "false_alarms"),
        "0 to 1",
        "0",
        BY_THRESHOLD,
    ),
    "success_ratio": Score(
        "success ratio",
        categorical.success_ratio,
        ("hits", "false_alarms"),
        "0 to 1",
        "1",
        BY_THRESHOLD,
    ),
    "frequency_bias": Score(
        "frequency bias",
        categorical.frequency_bias,
        _TABLE[:3],
        "0 to infinity",
        "1",
        BY_THRESHOLD,
    ),
    "hss": Score(
        "Heidke skill score",
        categorical.heidke_skill_score,
        _TABLE,
        "-1 to 1",
        "1",
        BY_THRESHOLD,
    ),
    "fss": Score(
        "fractions skill score",
        spatial.fractions_skill_score,
        ("fss_numerator", "fss_denominator"),
        "0 to 1",
        "1",
        BY_SCALE,
    ),
    "mae": Score(
        "mean absolute error of rain rate",
        continuous.mean_absolute_error,
        ("absolute_error_sum", "pixels"),
        "0 to infinity",
        "0",
        units="mm h-1",
    ),
    "rmse": Score(
        "root mean square error of rain rate",
        continuous.root_mean_square_error,
        ("squared_error_sum", "pixels"),
        "0 to infinity",
        "0",
        units="mm h-1",
    ),
    "mean_error": Score(
        "mean error of rain rate",
        continuous.mean_error,
        ("error_sum", "pixels"),
        "-infinity to infinity",
        "0",
        units="mm h-1",
    ),
    "missing_share": Score(
        "share of the observed pixels missing in the forecast",
        continuous.missing_share,
        ("missing_pixels", "observed_pixels"),
        "0 to 1",
        "0",
    ),
}


def derive_score(name: str, sums: xr.Dataset) -> xr.DataArray:
    """A score of SCORES from sums by issue time, pooled over all of them.

    Raises:
        ValueError: If there is no such score.
    """
    if name not in SCORES:
        raise ValueError(f"no score {name!r}; there are {sorted(SCORES)}")
    score = SCORES[name]
    pooled = [
        torch.from_numpy(sums[term].sum("issue_time", skipna=False).to_numpy())
        for term in score.sums
    ]
    coordinates = {
        name: axis.variable for name, axis in sums.coords.items() if {*axis.dims} <= {*score.dims}
    }
    return xr.DataArray(
        score.function(*pooled).numpy(), coordinates, score.dims, name, _attributes(score)
    )


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
    return xr.DataArray(values.numpy(), error.coords, error.dims, f"{error.name}_skill", described)


def with_scores(sums: xr.Dataset) -> xr.Dataset:
    """The sums and every score, with skill against persistence where that was scored."""
    scores = [derive_score(name, sums) for name in SCORES]
    if "persistence" in sums["forecaster"]:
        by_name = {score.name: score for score in scores}
        scores += [derive_skill(by_name[name], "persistence") for name in ("mae", "rmse")]
    return sums.assign({score.name: score for score in scores})


def score_table(
    scores: xr.Dataset, score: str = "csi", *, threshold: float = 1.0, scale: float = 20.0
) -> pd.DataFrame:
    """A score by forecaster (rows) and lead time in minutes (columns), best read side by side.

    Args:
        scores: A scores file.
        score: Any score in it.
        threshold: In mm/h; for scores that have one.
        scale: In km; for scores that have one.

    Raises:
        ValueError: If the file has no such score, threshold or scale.
    """
    if score not in scores or "issue_time" in scores[score].dims:
        raise ValueError(f"scores: no score {score!r}; there are {_names(scores)}")
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


def _names(scores: xr.Dataset) -> list[str]:
    names: Iterable[object] = scores.data_vars
    return sorted(str(name) for name in names if "issue_time" not in scores[name].dims)

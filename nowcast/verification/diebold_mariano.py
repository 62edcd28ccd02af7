"""Do two forecasters' errors differ? The test of Diebold and Mariano, corrected for few cases."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.verification.pooling import in_blocks

ANGLES = 20_001


class Verdict(NamedTuple):
    """Of one test.

    Args:
        statistic: Below 0 where the first has less error.
        p_value: Chance of so large a statistic, either way, for equal forecasters.
    """

    statistic: float
    p_value: float


def diebold_mariano(differences: NDArray[np.float64], steps: int) -> Verdict:
    """Test whether the mean of successive differences of error is zero.

    DM = d̄ / √(V / n), V the variance of the differences d with the autocovariances of up to
    steps − 1 issue times (V = γ0 + 2 Σ γk), times √((n + 1 − 2 steps + steps (steps − 1) / n) / n),
    against Student's t of n − 1 degrees of freedom.

    Args:
        differences: (n,) first's error less the second's; NaN is left out.
        steps: Lead time in issue times, 1 at least.

    Undefined: NaN for less than two differences, where steps reach n, where V is not above 0.

    Source: Diebold and Mariano, 1995, Journal of Business and Economic Statistics 13, 253-263,
        doi:10.1080/07350015.1995.10524599; Harvey, Leybourne and Newbold, 1997, International
        Journal of Forecasting 13, 281-291, doi:10.1016/S0169-2070(96)00719-4.
    """
    known = differences[~np.isnan(differences)]
    count = len(known)
    if count < 2 or not 1 <= steps < count:
        return Verdict(math.nan, math.nan)
    apart = known - known.mean()
    covariances = [float(apart[lag:] @ apart[: count - lag]) / count for lag in range(steps)]
    variance = covariances[0] + 2 * sum(covariances[1:])
    correction = (count + 1 - 2 * steps + steps * (steps - 1) / count) / count
    if variance <= 0 or correction <= 0:
        return Verdict(math.nan, math.nan)
    statistic = float(known.mean()) / math.sqrt(variance / count) * math.sqrt(correction)
    return Verdict(statistic, two_sided(statistic, count - 1))


def two_sided(statistic: float, freedom: int) -> float:
    """Chance that Student's t of `freedom` degrees is as far from zero as a statistic."""
    # t = √freedom tan φ makes the density cos^(freedom − 1) φ, in units of its own width near zero
    edge = math.atan(abs(statistic) / math.sqrt(freedom))
    width = min(math.pi / 2, 12 / math.sqrt(freedom))

    def area(low: float, high: float) -> float:
        angles = np.linspace(low, high, ANGLES)
        return float(np.trapezoid(np.cos(angles) ** (freedom - 1), angles))

    beyond = area(edge, max(edge, min(math.pi / 2, edge + width)))
    whole = area(0.0, width) if width < math.pi / 2 else area(0.0, math.pi / 2)
    return min(beyond / whole, 1.0)


def compare_errors(
    sums: xr.Dataset, first: str, second: str, error: str = "absolute_error_sum"
) -> xr.Dataset:
    """The test on mean errors of each issue time, for every lead time.

    Args:
        sums: A scores file.
        first: A forecaster.
        second: Another.
        error: A sum of errors.

    Returns:
        `statistic` and `p_value` (lead_time).

    Raises:
        ValueError: If a forecaster was not scored.
    """
    names = sums["forecaster"].to_numpy().tolist()
    for forecaster in (first, second):
        if forecaster not in names:
            raise ValueError(f"Diebold–Mariano: no forecaster {forecaster!r}; there are {names}")
    pair = [names.index(first), names.index(second)]
    apart = _mean_differences(*(sums[term].isel(forecaster=pair) for term in (error, "pixels")))
    step = _issue_minutes(sums)
    verdicts = [
        diebold_mariano(apart[:, place], max(math.ceil(int(lead) / step), 1))
        for place, lead in enumerate(sums["lead_time"].to_numpy())
    ]
    columns = zip(Verdict._fields, zip(*verdicts, strict=True), strict=True)
    return xr.Dataset(
        {name: ("lead_time", np.array(values)) for name, values in columns},
        {"lead_time": sums["lead_time"].variable},
    )


def _mean_differences(errors: xr.DataArray, pixels: xr.DataArray) -> NDArray[np.float64]:
    """(issue_time, lead_time) the first's mean error less the second's, NaN without a pixel."""
    apart = [np.empty((0, errors.sizes["lead_time"]))]
    for (_, total), (_, count) in zip(in_blocks(errors), in_blocks(pixels), strict=True):
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        apart.append(means[:, 0] - means[:, 1])
    return np.concatenate(apart)


def _issue_minutes(sums: xr.Dataset) -> float:
    """The usual step between issue times."""
    steps = np.diff(sums["issue_time"].to_numpy()) / np.timedelta64(1, "m")
    return float(np.median(steps)) if len(steps) else math.inf

"""Sums that add over issue times, workers and days, from which every score is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.categorical import count_events, count_pixels, event_limit
from nowcast.verification.continuous import sum_errors
from nowcast.verification.protocol import Protocol
from nowcast.verification.scores_file import SUMS, derive_score, derive_skill, with_scores
from nowcast.verification.spatial import sum_fractions
from pipeline.batch import ZR

THRESHOLDS = (0.1, 1.0, 5.0, 10.0)
SCALES_KM = (1.0, 5.0, 20.0, 40.0)

Row = dict[str, NDArray[Any]]


class Tally:
    """Counts and sums of several forecasters on the same pixels, kept by issue time.

    Tallies of one protocol and of different issue times add, in any order, to exactly the tally
    that one run over all issue times gives.

    Args: Those of Protocol.

    Missing: A pixel is compared where it was observed and every forecaster forecast it. What each
        forecaster leaves missing is a score of its own.
    """

    def __init__(
        self,
        forecasters: Sequence[str],
        lead_minutes: Sequence[int],
        thresholds: Sequence[float],
        zr: ZR,
        scales_km: Sequence[float],
        pixel_km: float,
    ) -> None:
        names, leads = tuple(forecasters), tuple(lead_minutes)
        rates, scales = tuple(thresholds), tuple(scales_km)
        self.protocol = Protocol(names, leads, rates, zr, scales, pixel_km)
        self.rows: dict[np.datetime64, Row] = {}

    @property
    def issue_times(self) -> NDArray[np.datetime64]:
        """The issue times counted so far, in order."""
        return np.array(sorted(self.rows), "datetime64[ns]")

    def update(
        self, issue_time: np.datetime64, forecasts: Mapping[str, Tensor], observed: Tensor
    ) -> None:
        """Count the forecasts of one issue time.

        Args:
            issue_time: When the forecasts were made.
            forecasts: Forecaster → (L, H, W) dBZ, NaN where missing.
            observed: (L, H, W) dBZ, NaN where missing.

        Raises:
            ValueError: If the issue time is counted already, a forecaster is missing or unknown,
                shapes differ, or a value is infinite.
        """
        time = issue_time.astype("datetime64[ns]")
        if time in self.rows:
            raise ValueError(f"tally: issue time {_minutes(time)} is counted already")
        self._check(forecasts, observed)
        leads = []
        for lead, frame in enumerate(observed.float()):
            fields = [forecasts[name][lead].to(frame) for name in self.protocol.forecasters]
            leads.append(count_frame(self.protocol, torch.stack(fields), frame))
        self.rows[time] = {
            name: torch.stack([sums[name] for sums in leads], dim=1).cpu().numpy() for name in SUMS
        }

    def _check(self, forecasts: Mapping[str, Tensor], observed: Tensor) -> None:
        expected = self.protocol.forecasters
        if set(forecasts) != set(expected):
            raise ValueError(
                f"tally: expected forecasts of {list(expected)}, found {list(forecasts)}"
            )
        leads = len(self.protocol.lead_minutes)
        if observed.ndim != 3 or len(observed) != leads:
            found = tuple(observed.shape)
            raise ValueError(f"tally: expected observed ({leads}, height, width), found {found}")
        for name, field in (("observed", observed), *forecasts.items()):
            if field.shape != observed.shape:
                shapes = f"{tuple(observed.shape)} as observed, found {tuple(field.shape)}"
                raise ValueError(f"tally: expected {name} of shape {shapes}")

    def __add__(self, other: Tally) -> Tally:
        difference = self.protocol.difference(other.protocol)
        if difference:
            raise ValueError(f"tally: expected {difference}; only tallies of one protocol add")
        both = sorted(self.rows.keys() & other.rows.keys())
        if both:
            raise ValueError(f"tally: issue time {_minutes(both[0])} is in both; count it once")
        return self._of(self.protocol, self.rows | other.rows)

    @classmethod
    def _of(cls, protocol: Protocol, rows: dict[np.datetime64, Row]) -> Tally:
        tally = cls.__new__(cls)
        tally.protocol, tally.rows = protocol, rows
        return tally

    def sums(self) -> xr.Dataset:
        """The sums by issue time, without scores."""
        times = self.issue_times
        coordinates = self.protocol.coordinates()
        coordinates["issue_time"] = xr.Variable(
            "issue_time",
            times,
            {"standard_name": "forecast_reference_time"},
            {"units": "seconds since 1970-01-01", "dtype": "int64"},
        )
        sizes = {name: axis.size for name, axis in coordinates.items()}
        variables = {}
        for name, kind in SUMS.items():
            values: NDArray[Any] = np.zeros(
                [sizes[dim] for dim in ("issue_time", *kind.dims)], kind.dtype
            )
            for place, time in enumerate(times):
                values[place] = self.rows[time][name]
            described = {"long_name": kind.long_name, "units": kind.units}
            dims = (kind.dims[0], "issue_time", *kind.dims[1:])
            variables[name] = (dims, np.ascontiguousarray(values.swapaxes(0, 1)), described)
        return xr.Dataset(variables, coordinates, self.protocol.attributes())

    def to_dataset(self) -> xr.Dataset:
        """The scores file: the sums by issue time and the scores derived from them."""
        return with_scores(self.sums())

    @classmethod
    def from_dataset(cls, scores: xr.Dataset) -> Tally:
        """The tally that a scores file was made from.

        Raises:
            ValueError: If it is not a scores file.
        """
        absent = sorted({*SUMS, "issue_time"} - {str(name) for name in scores.variables})
        if absent:
            raise ValueError(f"scores: expected the variables of a scores file, found no {absent}")
        protocol = Protocol.of(scores)
        times = scores["issue_time"].to_numpy().astype("datetime64[ns]")
        sums: Row = {
            name: scores[name].transpose("issue_time", *kind.dims).to_numpy().astype(kind.dtype)
            for name, kind in SUMS.items()
        }
        rows = {time: {name: sums[name][n] for name in SUMS} for n, time in enumerate(times)}
        return cls._of(protocol, rows)

    def score(self, name: str) -> xr.DataArray:
        """Any score of SCORES by name, pooled over the issue times."""
        return derive_score(name, self.sums())

    def csi(self) -> xr.DataArray:
        """Critical success index (forecaster, lead_time, threshold)."""
        return self.score("csi")

    def pod(self) -> xr.DataArray:
        """Probability of detection (forecaster, lead_time, threshold)."""
        return self.score("pod")

    def far(self) -> xr.DataArray:
        """False alarm ratio (forecaster, lead_time, threshold)."""
        return self.score("far")

    def frequency_bias(self) -> xr.DataArray:
        """Frequency bias (forecaster, lead_time, threshold)."""
        return self.score("frequency_bias")

    def hss(self) -> xr.DataArray:
        """Heidke skill score (forecaster, lead_time, threshold)."""
        return self.score("hss")

    def fss(self) -> xr.DataArray:
        """Fractions skill score (forecaster, lead_time, threshold, scale)."""
        return self.score("fss")

    def mae(self) -> xr.DataArray:
        """Mean absolute error, mm/h (forecaster, lead_time)."""
        return self.score("mae")

    def rmse(self) -> xr.DataArray:
        """Root mean square error, mm/h (forecaster, lead_time)."""
        return self.score("rmse")

    def mean_error(self) -> xr.DataArray:
        """Mean error, mm/h (forecaster, lead_time)."""
        return self.score("mean_error")

    def missing_share(self) -> xr.DataArray:
        """Share of the observed pixels that the forecaster left missing (forecaster, lead_time)."""
        return self.score("missing_share")

    def skill(self, error: str = "mae", reference: str = "persistence") -> xr.DataArray:
        """Skill of an error score against a reference forecaster (forecaster, lead_time)."""
        return derive_skill(self.score(error), reference)


def count_frame(protocol: Protocol, forecast: Tensor, observed: Tensor) -> dict[str, Tensor]:
    """The sums of SUMS for one valid time, each (F, ...).

    Args:
        protocol: The thresholds, the windows and the Z–R relation.
        forecast: (F, H, W) dBZ.
        observed: (H, W) dBZ.

    Raises:
        ValueError: If a value is infinite.
    """
    if forecast.isinf().any() or observed.isinf().any():
        raise ValueError("tally: expected finite dBZ or NaN, found an infinity")
    seen, missing = ~observed.isnan(), forecast.isnan()
    known = seen & ~missing.any(0)
    pixels = count_pixels(known)
    limits = observed.new_tensor([event_limit(dbz) for dbz in protocol.thresholds_dbz])
    limits = limits[:, None, None]
    forecast_events = (forecast[:, None] >= limits) & known
    observed_events = (observed >= limits) & known
    counts = count_events(forecast_events, observed_events, pixels)
    zr = protocol.zr
    errors = sum_errors(zr.rain_rate(forecast), zr.rain_rate(observed), known)
    fractions = [
        sum_fractions(forecast_events, observed_events, known, width) for width in protocol.widths
    ]
    numerators, denominators = (torch.stack(sums, -1) for sums in zip(*fractions, strict=True))
    return {
        **counts._asdict(),
        "pixels": pixels.expand(len(forecast)),
        "observed_pixels": count_pixels(seen).expand(len(forecast)),
        "missing_pixels": count_pixels(missing & seen),
        "error_sum": errors.error,
        "absolute_error_sum": errors.absolute,
        "squared_error_sum": errors.squared,
        "fss_numerator": numerators,
        "fss_denominator": denominators,
    }


def _minutes(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="m"))

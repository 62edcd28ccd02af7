"""Sums that add over issue times, workers and days, from which every score is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from nowcast.verification.frame import Frame, Masks
from nowcast.verification.part import Sum
from nowcast.verification.parts import parts_of, sums_of
from nowcast.verification.protocol import Protocol
from nowcast.verification.scores_file import derive_score, derive_skill, with_scores
from pipeline.batch import ZR

THRESHOLDS = (0.1, 1.0, 5.0, 10.0)
SCALES_KM = (1.0, 5.0, 20.0, 40.0)

Row = dict[str, NDArray[Any]]


class Tally:
    """Sums of several forecasters on the same pixels, kept by issue time.

    Tallies of one protocol and of different issue times add, in any order, to exactly the tally
    that one run over all issue times gives.

    Args: Those of Protocol; `choices` are its members, cell_km, parts and cadence_minutes.

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
        **choices: Any,
    ) -> None:
        names, leads = tuple(forecasters), tuple(lead_minutes)
        rates, scales = tuple(thresholds), tuple(scales_km)
        protocol = Protocol(names, leads, rates, zr, scales, pixel_km, **choices)
        self._hold(protocol, {}, {})

    def _hold(self, protocol: Protocol, rows: dict[np.datetime64, Row], pooled: Row) -> None:
        self.protocol, self.rows, self.pooled = protocol, rows, pooled
        self.kinds = sums_of(protocol.parts)
        self._lock = Lock()

    @property
    def issue_times(self) -> NDArray[np.datetime64]:
        """The issue times counted so far, in order."""
        return np.array(sorted(self.rows), "datetime64[ns]")

    def update(
        self, issue_time: np.datetime64, forecasts: Mapping[str, Tensor], observed: Tensor
    ) -> None:
        """Count the forecasts of one issue time; several threads may, each its own.

        Lead times are counted side by side on as many threads as torch may use.

        Args:
            issue_time: When the forecasts were made.
            forecasts: Forecaster → (L, H, W) dBZ, or (M, L, H, W) of M members; NaN where missing.
            observed: (L, H, W) dBZ, NaN where missing.

        Raises:
            ValueError: If the issue time is counted already, a forecaster is missing or unknown,
                shapes differ, or a value is infinite.
        """
        time = issue_time.astype("datetime64[ns]")
        self._check(forecasts, observed)
        self._refuse_twice(time)
        row = self._stacked(self._count(forecasts, observed))
        with self._lock:
            self._refuse_twice(time)
            pooled = {name: row.pop(name) for name, kind in self.kinds.items() if kind.pooled}
            self.pooled = _added(self.pooled, pooled)
            self.rows[time] = row

    def _refuse_twice(self, time: np.datetime64) -> None:
        if time in self.rows:
            raise ValueError(f"tally: issue time {_minutes(time)} is counted already")

    def _check(self, forecasts: Mapping[str, Tensor], observed: Tensor) -> None:
        expected = self.protocol.forecasters
        if set(forecasts) != set(expected):
            raise ValueError(
                f"tally: expected forecasts of {list(expected)}, found {list(forecasts)}"
            )
        leads, members = len(self.protocol.lead_minutes), self.protocol.members
        if observed.ndim != 3 or len(observed) != leads:
            found = tuple(observed.shape)
            raise ValueError(f"tally: expected observed ({leads}, height, width), found {found}")
        for name, field in forecasts.items():
            if field.shape not in (observed.shape, (members, *observed.shape)):
                shapes = f"{tuple(observed.shape)} as observed, found {tuple(field.shape)}"
                many = f", or {members} members of it" if members > 1 else ""
                raise ValueError(f"tally: expected {name} of shape {shapes}{many}")

    def _count(self, forecasts: Mapping[str, Tensor], observed: Tensor) -> list[dict[str, Tensor]]:
        """The sums of every lead time."""
        parts = parts_of(self.protocol.parts).values()
        masks = Masks(self.protocol.widths)

        def count(lead: int) -> dict[str, Tensor]:
            there = observed[lead].float()
            fields = [forecasts[name][..., lead, :, :] for name in self.protocol.forecasters]
            frame = Frame(self.protocol, [here.to(there) for here in fields], there, masks)
            return {name: values for part in parts for name, values in part.count(frame).items()}

        leads = range(len(observed))
        threads = min(torch.get_num_threads(), len(leads)) if observed.is_cpu else 1
        if threads == 1:
            return [count(lead) for lead in leads]
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(count, leads))

    def _stacked(self, leads: Sequence[Mapping[str, Tensor]]) -> Row:
        return {
            name: torch.stack([sums[name] for sums in leads], dim=kind.dims.index("lead_time"))
            .cpu()
            .numpy()
            .astype(kind.dtype)
            for name, kind in self.kinds.items()
        }

    def __add__(self, other: Tally) -> Tally:
        difference = self.protocol.difference(other.protocol)
        if difference:
            raise ValueError(f"tally: expected {difference}; only tallies of one protocol add")
        both = sorted(self.rows.keys() & other.rows.keys())
        if both:
            raise ValueError(f"tally: issue time {_minutes(both[0])} is in both; count it once")
        rows, pooled = self.rows | other.rows, _added(self.pooled, other.pooled)
        return self._of(self.protocol, rows, pooled)

    @classmethod
    def _of(cls, protocol: Protocol, rows: dict[np.datetime64, Row], pooled: Row) -> Tally:
        tally = cls.__new__(cls)
        tally._hold(protocol, rows, pooled)
        return tally

    def sums(self) -> xr.Dataset:
        """The sums by issue time, without scores."""
        coordinates = self.protocol.coordinates()
        coordinates["issue_time"] = xr.Variable(
            "issue_time",
            self.issue_times,
            {"standard_name": "forecast_reference_time"},
            {"units": "seconds since 1970-01-01", "dtype": "int64"},
        )
        variables = {name: self._variable(name, kind) for name, kind in self.kinds.items()}
        used = {dim for variable in variables.values() for dim in variable.dims}
        used |= {*("forecaster", "issue_time", "lead_time", "threshold", "scale")}
        kept = {name: axis for name, axis in coordinates.items() if {*axis.dims} <= used}
        return xr.Dataset(variables, kept, self.protocol.attributes())

    def _variable(self, name: str, kind: Sum) -> xr.Variable:
        sizes = {axis: values.size for axis, values in self.protocol.coordinates().items()}
        nothing: NDArray[Any] = np.zeros([sizes.get(dim, 0) for dim in kind.dims], kind.dtype)
        described = {"long_name": kind.long_name, "units": kind.units}
        if kind.pooled:
            return xr.Variable(kind.dims, self.pooled.get(name, nothing), described)
        place = kind.dims.index("lead_time")
        dims = (*kind.dims[:place], "issue_time", *kind.dims[place:])
        rows = [self.rows[time][name] for time in self.issue_times]
        empty = np.expand_dims(nothing, place).take([], place)
        return xr.Variable(dims, np.stack(rows, place) if rows else empty, described)

    def to_dataset(self) -> xr.Dataset:
        """The scores file: the sums by issue time and the scores derived from them."""
        return with_scores(self.sums(), self.protocol.parts)

    @classmethod
    def from_dataset(cls, scores: xr.Dataset) -> Tally:
        """The tally that a scores file was made from.

        Raises:
            ValueError: If it is not a scores file, or one of other rules.
        """
        protocol = Protocol.of(scores)
        kinds = sums_of(protocol.parts)
        absent = sorted({*kinds, "issue_time"} - {str(name) for name in scores.variables})
        if absent:
            raise ValueError(f"scores: expected the variables of a scores file, found no {absent}")
        sums: Row = {
            name: scores[name].transpose("issue_time", ..., missing_dims="ignore").to_numpy()
            for name in kinds
        }
        times = scores["issue_time"].to_numpy().astype("datetime64[ns]")
        single = [name for name, kind in kinds.items() if not kind.pooled]
        rows = {time: {name: sums[name][n] for name in single} for n, time in enumerate(times)}
        pooled = {name: sums[name] for name, kind in kinds.items() if kind.pooled and rows}
        return cls._of(protocol, rows, pooled)

    def score(self, name: str) -> xr.DataArray:
        """Any score of SCORES by name, pooled over the issue times."""
        return derive_score(name, self.sums())

    def csi(self) -> xr.DataArray:
        """Critical success index (forecaster, lead_time, threshold)."""
        return self.score("csi")

    def fss(self) -> xr.DataArray:
        """Fractions skill score (forecaster, lead_time, threshold, scale)."""
        return self.score("fss")

    def skill(self, error: str = "mae", reference: str = "persistence") -> xr.DataArray:
        """Skill of an error score against a reference forecaster (forecaster, lead_time)."""
        return derive_skill(self.score(error), reference)


def _added(here: Row, there: Row) -> Row:
    if not here or not there:
        return here or there
    for name, values in there.items():
        if values.shape != here[name].shape:
            raise ValueError(
                f"tally: expected {name} of shape {here[name].shape}, found {values.shape}; "
                "maps of one grid alone add"
            )
    return {name: here[name] + there[name] for name in here}


def _minutes(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="m"))

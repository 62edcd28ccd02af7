"""Forecasts of a whole period against what the radar then saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from flows.entrants import Entrant, Filed, filed, live
from flows.forecasting import PAST, lead_steps
from nowcast.verification.parts import PARTS
from nowcast.verification.protocol import Protocol
from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.batch import ZR
from pipeline.places import Address
from pipeline.store import Store

LEAD_MINUTES = 60
COSTLY = ("sal", "similarity")


@dataclass(frozen=True)
class Request:
    """What to compare, in words that another process understands.

    Args:
        address: The store.
        forecasters: Names in FORECASTERS or paths of checkpoints.
        files: Forecasts made elsewhere.
        lead_minutes: The longest lead time; None for that of the files, or an hour without any.
        all_scores: Whether the parts in COSTLY are counted too.
    """

    address: Address
    forecasters: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    lead_minutes: int | None = None
    all_scores: bool = False

    def everywhere(self) -> Request:
        """The same with absolute paths, which do not depend on where a process runs."""
        scheme, found, rest = str(self.address).partition(":")
        known = {"icechunk": f"icechunk:{Path(rest).absolute()}", "s3": str(self.address)}
        address = known[scheme] if found and scheme in known else str(Path(self.address).absolute())
        forecasters = [
            str(Path(name).absolute()) if Path(name).is_file() else name
            for name in self.forecasters
        ]
        files = tuple(path.absolute() for path in self.files)
        return replace(self, address=address, forecasters=tuple(forecasters), files=files)


@dataclass
class Comparison:
    """Several forecasters on the same issue times of one store.

    An ensemble is scored by its odds with all its members, and else by its mean rain rate.
    """

    store: Store
    entrants: dict[str, Entrant]
    steps: int
    all_scores: bool = False

    @classmethod
    def load(cls, request: Request) -> Comparison:
        """Open the store, load the forecasters and look into the files.

        Raises:
            ValueError: If a forecaster or a file does not fit, or two have one name.
        """
        store = Store.open(request.address)
        files = filed(request.files, store)
        entrants: list[Entrant] = [*live(request.forecasters, store), *files]
        names = [entrant.name for entrant in entrants]
        if len(set(names)) < len(names):
            raise ValueError(f"forecasters: expected different ones, found {names}")
        _check_members(entrants)
        steps = _steps(store, files, request.lead_minutes)
        return cls(store, dict(zip(names, entrants, strict=True)), steps, request.all_scores)

    @classmethod
    def of(cls, store: Store, names: Sequence[str], lead_minutes: int) -> Comparison:
        """Load forecasters by name; persistence is always among them, as the reference."""
        return cls.load(Request(store.address, tuple(names), lead_minutes=lead_minutes))

    @property
    def minutes(self) -> int:
        """Step between frames."""
        return int(self.store.cadence / np.timedelta64(1, "m"))

    @property
    def members(self) -> int:
        """Of the ensembles; 1 without any."""
        return max(entrant.members for entrant in self.entrants.values())

    @property
    def issue_times(self) -> NDArray[np.datetime64] | None:
        """Those that all files have; None without files."""
        held = [
            set(entrant.places) for entrant in self.entrants.values() if isinstance(entrant, Filed)
        ]
        return np.array(sorted(set.intersection(*held)), "datetime64[ns]") if held else None

    def tally(self) -> Tally:
        """An empty tally of what is compared."""
        left_out = {*(() if self.all_scores else COSTLY)}
        left_out |= {*(() if self.members > 1 else ("probabilistic",))}
        return Tally(
            list(self.entrants),
            [self.minutes * step for step in range(1, self.steps + 1)],
            THRESHOLDS,
            self.store.zr,
            SCALES_KM,
            self.store.grid.pixel_m / 1000,
            cadence_minutes=self.minutes,
            members=self.members,
            parts=tuple(name for name in PARTS if name not in left_out),
        )

    @property
    def protocol(self) -> Protocol:
        """What is compared, and how."""
        return self.tally().protocol

    def forecast(
        self, slot: int, seconds: dict[str, float] | None = None
    ) -> dict[str, torch.Tensor]:
        """(steps, H, W) dBZ of each forecaster from a slot, (M, steps, H, W) of an ensemble.

        Args:
            slot: Of the issue time.
            seconds: Forecaster → seconds so far, to which this adds.
        """
        forecasts, spent = {}, seconds if seconds is not None else {}
        for name, entrant in self.entrants.items():
            start = time.perf_counter()
            forecasts[name] = entrant.forecast(self.store, slot, self.steps)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return forecasts

    def observed(self, slot: int) -> torch.Tensor:
        """(steps, H, W) dBZ that the radar saw after a slot."""
        return torch.from_numpy(self.store.dbz(slot + 1, slot + 1 + self.steps))

    def case(self, slot: int) -> xr.Dataset:
        """All fields of one issue time, for people to look at; of an ensemble its mean."""
        zr = self.store.zr
        fields = [_mean(field.numpy(), zr) for field in self.forecast(slot).values()]
        first = max(slot + 1 - PAST, 0)
        return xr.Dataset(
            {
                "past": (("time", "y", "x"), self.store.dbz(first, slot + 1)),
                "observed": (("lead_time", "y", "x"), self.observed(slot).numpy()),
                "forecast": (("forecaster", "lead_time", "y", "x"), np.stack(fields)),
            },
            {
                "time": self.store.times[first : slot + 1],
                "lead_time": self.minutes * np.arange(1, self.steps + 1),
                "forecaster": list(self.entrants),
                **self.store.grid.coordinates(),
            },
            {"issue_time": str(self.store.times[slot].astype("datetime64[s]"))},
        )


def _mean(dbz: NDArray[np.floating], zr: ZR) -> NDArray[np.floating]:
    """The reflectivity of the mean rain rate of members (M, steps, H, W), if there are any."""
    return dbz if dbz.ndim == 3 else zr.dbz(zr.rain_rate(dbz).mean(0)).astype(dbz.dtype)


def _check_members(entrants: Sequence[Entrant]) -> None:
    counts = {entrant.name: entrant.members for entrant in entrants if entrant.members > 1}
    if len(set(counts.values())) > 1:
        raise ValueError(f"ensembles: expected the same number of members, found {counts}")


def _steps(store: Store, files: Sequence[Filed], lead_minutes: int | None) -> int:
    longest = min((entrant.steps for entrant in files), default=None)
    if lead_minutes is None and longest is not None:
        return longest
    steps = lead_steps(store, lead_minutes or LEAD_MINUTES)
    if longest is not None and steps > longest:
        found = longest * int(store.cadence / np.timedelta64(1, "m"))
        raise ValueError(
            f"lead time: expected forecast files that reach {lead_minutes} minutes, found {found}"
        )
    return steps

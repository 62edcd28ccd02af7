"""How good were the forecasts whose time is over?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.journal import newest_days, note, records
from flows.service.moments import Moment
from pipeline.clock import compact_clock
from pipeline.places import place_of
from pipeline.store import Store

if TYPE_CHECKING:
    from torch import Tensor

THRESHOLD = 1.0
REFERENCE = "extrapolation"
# days that are looked through, and issue times that one call scores: the rest waits for the next
DAYS, MOST = 3, 24

Sums = NDArray[np.int64]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Events(_Part):
    """Counted pixels of one forecaster, by lead."""

    hits: tuple[int, ...]
    misses: tuple[int, ...]
    false_alarms: tuple[int, ...]


class Scored(_Part):
    """A line of the journal of skill: all forecasters of an issue time on the same pixels."""

    issue_time: Moment
    threshold: float
    lead_minutes: tuple[int, ...]
    forecasters: dict[str, Events]


class Skill(_Part):
    """Scores of the issue times of a day, pooled: sums first, then the score.

    Args:
        threshold: Rain rate of an event, mm/h.
        lead_minutes: Of the scores.
        csi: Forecaster → CSI by lead; None where nothing was forecast nor observed.
        issue_times: How many were counted.
        versus_extrapolation: Forecaster → its CSI pooled over leads less that of extrapolation
            on the same issue times; None where one of them is undefined.
    """

    threshold: float = THRESHOLD
    lead_minutes: tuple[int, ...] = ()
    csi: dict[str, tuple[float | None, ...]] = {}
    issue_times: int = 0
    versus_extrapolation: dict[str, float | None] = {}

    @classmethod
    def of(cls, scored: Iterable[Scored]) -> Skill | None:
        """The skill of some lines; None without one that counts something."""
        lines = [line for line in scored if line.forecasters and line.threshold == THRESHOLD]
        if not lines:
            return None
        leads = sorted({lead for line in lines for lead in line.lead_minutes})
        names = list(dict.fromkeys(name for line in lines for name in line.forecasters))
        csi = {name: tuple(_csi(_by_lead(lines, name, leads))) for name in names}
        against = {name: _difference(lines, name) for name in names if name != REFERENCE}
        return cls(
            lead_minutes=tuple(leads),
            csi=csi,
            issue_times=len(lines),
            versus_extrapolation=against,
        )


def read_scored(folder: Path, days: int = 2) -> Iterator[Scored]:
    """The last days of the journal of skill; lines that say something else are left out."""
    for line in records(newest_days(folder, days)):
        try:
            yield Scored.model_validate(line)
        except ValidationError:
            continue


def score_due(configuration: Configuration, folders: Folders) -> int:
    """Score the forecasts of issue times whose last valid time has passed, once each.

    All forecasters of an issue time are compared on the same pixels, as in verification. Forecasts
    that another forecaster stands in for are left out, as those that do not fit the store. An
    issue time that cannot be compared gets a line without counts.

    Missing: Frames that were not observed count nothing.

    Returns:
        How many issue times were scored.
    """
    if not place_of(configuration.store).exists():
        return 0
    store = Store.open(configuration.store)
    newest = store.newest()
    if newest is None:
        return 0
    steps = np.timedelta64(configuration.lead_minutes, "m") // store.cadence
    due = [time for time in _issued(folders) if time + steps * store.cadence <= newest]
    for time in due[:MOST]:
        files = sorted(folders.forecast(time, "x").parent.glob(f"{compact_clock(time)}-*.nc"))
        note(folders.day(folders.skill, time), _score(store, time, files, int(steps)))
    return len(due[:MOST])


def _issued(folders: Folders) -> list[np.datetime64]:
    """Issue times of forecasts that were not scored yet, the newest first."""
    due: list[np.datetime64] = []
    for day in sorted(folders.forecasts.glob("[0-9]*"))[-DAYS:]:
        scored = {line.get("issue_time") for line in records([folders.skill / f"{day.name}.jsonl"])}
        stamps = {path.name.partition("-")[0] for path in day.glob("*-*.nc")}
        issued = [time for time in map(_time, stamps) if time is not None]
        due += [time for time in issued if str(time.astype("M8[m]")) not in scored]
    return sorted(due, reverse=True)


def _score(
    store: Store, issue_time: np.datetime64, files: Sequence[Path], steps: int
) -> dict[str, Any]:
    """The line of one issue time."""
    minutes = int(store.cadence / np.timedelta64(1, "m"))
    line: dict[str, Any] = {
        "issue_time": str(issue_time.astype("datetime64[m]")),
        "threshold": THRESHOLD,
        "lead_minutes": [minutes * step for step in range(1, steps + 1)],
    }
    try:
        slot = store.slot(issue_time)
        forecasts = _own_forecasts(store, issue_time, files, steps) if slot >= 0 else {}
        line["forecasters"] = _count(store, slot, forecasts) if forecasts else {}
    except (ValueError, RuntimeError):
        # a time between two slots, a damaged frame: noted without counts, or it would come again
        line["forecasters"] = {}
    return line


def _own_forecasts(
    store: Store, issue_time: np.datetime64, files: Sequence[Path], steps: int
) -> dict[str, Tensor]:
    """(steps, H, W) dBZ by forecaster, (M, steps, H, W) of an ensemble."""
    import torch

    from flows.entrants import check_fits
    from pipeline.forecasts import open_forecast

    forecasts: dict[str, Tensor] = {}
    for path in files:
        try:
            with open_forecast(path, store.zr) as held:
                check_fits(held, path, store)
                one = held["reflectivity"].sel(issue_time=issue_time).isel(lead_time=slice(steps))
                if "fallback" in held.attrs or one.sizes["lead_time"] < steps:
                    continue
                order = ("realization", "lead_time", "y", "x")
                dbz = one.transpose(*order, missing_dims="ignore").to_numpy()
        except (ValueError, OSError, KeyError):
            continue
        forecasts[path.stem.partition("-")[2]] = torch.from_numpy(dbz.astype(np.float32))
    return forecasts


def _count(
    store: Store, slot: int, forecasts: Mapping[str, Tensor]
) -> dict[str, dict[str, list[int]]]:
    import torch

    from nowcast.verification.tally import SCALES_KM, Tally

    leads = max(field.shape[-3] for field in forecasts.values())
    minutes = int(store.cadence / np.timedelta64(1, "m"))
    tally = Tally(
        list(forecasts),
        [minutes * step for step in range(1, leads + 1)],
        [THRESHOLD],
        store.zr,
        SCALES_KM,
        store.grid.pixel_m / 1000,
        cadence_minutes=minutes,
        members=max(len(field) if field.ndim == 4 else 1 for field in forecasts.values()),
        parts=("categorical",),
    )
    observed = torch.from_numpy(store.dbz(slot + 1, slot + 1 + leads))
    tally.update(store.times[slot], forecasts, observed)
    sums = tally.sums().isel(issue_time=0, threshold=0)
    return {
        name: {
            kind: sums[kind].sel(forecaster=name).values.tolist() for kind in Events.model_fields
        }
        for name in forecasts
    }


def _time(stamp: str) -> np.datetime64 | None:
    try:
        return np.datetime64(datetime.strptime(stamp, "%Y%m%dT%H%MZ"), "ns")
    except ValueError:
        return None


def _by_lead(lines: Sequence[Scored], name: str, leads: Sequence[int]) -> Sums:
    """(3, L) hits, misses, false alarms."""
    sums: dict[int, Sums] = defaultdict(lambda: np.zeros(3, np.int64))
    for line in lines:
        events = line.forecasters.get(name)
        if events:
            counts = zip(events.hits, events.misses, events.false_alarms, strict=True)
            for lead, three in zip(line.lead_minutes, counts, strict=True):
                sums[lead] += three
    return np.stack([sums[lead] for lead in leads], axis=1)


def _csi(sums: Sums) -> list[float | None]:
    """CSI of (3, L) sums."""
    return [
        round(hits / whole, 6) if whole else None
        for hits, whole in zip(sums[0].tolist(), sums.sum(0).tolist(), strict=True)
    ]


def _difference(lines: Sequence[Scored], name: str) -> float | None:
    both = [line for line in lines if {name, REFERENCE} <= line.forecasters.keys()]
    leads = sorted({lead for line in both for lead in line.lead_minutes})
    if not leads:
        return None
    here, there = (
        _csi(_by_lead(both, each, leads).sum(1, keepdims=True))[0] for each in (name, REFERENCE)
    )
    return None if here is None or there is None else round(here - there, 6)

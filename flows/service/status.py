"""Is the service well, and what did it do last?"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from flows.service.configuration import Configuration
from flows.service.drift import Drift, find_drift
from flows.service.folders import Folders
from flows.service.frames import LastDay
from flows.service.journal import records
from flows.service.latency import Cycle, Latency, read_cycles
from flows.service.latency import Made as Made
from flows.service.moments import Moment, moment
from flows.service.problems import Problems, find_problems
from flows.service.promotion import InService, network_in_service
from flows.service.skill import Skill, read_scored
from pipeline.store import Store

ALERTS = 10


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Latest(_Part):
    """The newest issue time that forecasts were made for."""

    issue_time: Moment
    forecasters: dict[str, Made]


class Network(_Part):
    """The network in service.

    Args:
        checkpoint: Its path.
        name: Of its forecasts.
        since: When it came into service, as it was noted.
        why: In one sentence.
    """

    checkpoint: str
    name: str
    since: str
    why: str


class Disk(_Part):
    """Of the folder that the service writes to, in GB of 10⁹ bytes."""

    free_gb: float
    total_gb: float


class Status(_Part):
    """All that somebody who watches the service needs; its JSON is status.json.

    Times are in UTC. The last day ends with the newest frame.

    Args:
        made: When it was looked at.
        store: Its address.
        product: Of the store; None without one.
        healthy: Whether there is no problem.
        problems: What is wrong, a sentence each.
        newest_frame: Its valid time.
        age_minutes: Of the newest frame, at least 0.
        last_ingest: When a frame was last stored, as far as cycles tell.
        frames_last_day: Slots of the last day that a frame fills.
        missing_last_day: Those that none does, as far as the store goes back.
        gaps: First and last slot of each stretch of the last day without a frame.
        latency: Of the cycles of the last day.
        latest: The newest forecasts.
        network: In service; None where there is none.
        skill: Of the forecasts of the last day; None where none could be scored.
        drift: None where the network does not tell what it was trained on.
        disk: None where it cannot be told.
        alerts: The last ten.
    """

    made: Moment
    store: str
    product: str | None = None
    healthy: bool
    problems: tuple[str, ...] = ()
    newest_frame: Moment | None = None
    age_minutes: float | None = None
    last_ingest: Moment | None = None
    frames_last_day: int = 0
    missing_last_day: int = 0
    gaps: tuple[tuple[Moment, Moment], ...] = ()
    latency: Latency = Latency()
    latest: Latest | None = None
    network: Network | None = None
    skill: Skill | None = None
    drift: Drift | None = None
    disk: Disk | None = None
    alerts: tuple[dict[str, Any], ...] = ()


def look(configuration: Configuration, now: np.datetime64) -> Status:
    """Look at the store and at what the service wrote; what cannot be read is a problem.

    Args:
        configuration: Of the service.
        now: The time of the wall clock in UTC, to which the newest frame's age is counted.
    """
    folders, problems = Folders(configuration.out), Problems()
    store = problems.spared(lambda: Store.open(configuration.store))
    day = problems.spared(lambda: LastDay.of(store)) if store is not None else None
    network = problems.spared(lambda: network_in_service(configuration))
    status = Status(
        made=moment(now),
        store=configuration.store,
        product=store.product if store is not None else None,
        healthy=False,
        network=_network(network),
        drift=problems.spared(lambda: _drift(network, store, day)),
        disk=problems.spared(lambda: _disk(folders)),
        alerts=problems.spared(lambda: tuple(deque(records([folders.alerts]), ALERTS))) or (),
        **_of_frames(day, now),
        **(problems.spared(lambda: _of_journals(folders, day)) or {}),
    )
    found = (*problems.sentences, *find_problems(configuration, status))
    return status.model_copy(update={"problems": found, "healthy": not found})


def _of_frames(day: LastDay | None, now: np.datetime64) -> dict[str, Any]:
    if day is None:
        return {}
    return {
        "newest_frame": moment(day.newest),
        "age_minutes": round(max(0.0, float((now - day.newest) / np.timedelta64(60, "s"))), 1),
        "frames_last_day": day.filled,
        "missing_last_day": day.missing,
        "gaps": tuple((moment(first), moment(last)) for first, last in day.gaps),
    }


def _of_journals(folders: Folders, day: LastDay | None) -> dict[str, Any]:
    """What the journals tell of the last day; of the store's, else of theirs."""
    cycles = list(read_cycles(folders.cycles))
    latest = max(cycles, key=lambda cycle: cycle.issue_time, default=None)
    found: dict[str, Any] = {"last_ingest": max(_stored(cycles), default=None)}
    if latest is None:
        return found
    found["latest"] = Latest(issue_time=latest.issue_time, forecasters=latest.forecasters)
    end = moment(day.newest) if day else latest.issue_time

    def recent(issue_time: datetime) -> bool:
        return end - timedelta(days=1) < issue_time <= end

    found["latency"] = Latency.of(cycle for cycle in cycles if recent(cycle.issue_time))
    found["skill"] = Skill.of(
        line for line in read_scored(folders.skill) if recent(line.issue_time)
    )
    return found


def _stored(cycles: Sequence[Cycle]) -> list[datetime]:
    return [cycle.stored for cycle in cycles if cycle.stored]


def _network(network: InService | None) -> Network | None:
    if network is None:
        return None
    told = {name: getattr(network, name) for name in ("name", "since", "why")}
    return Network(checkpoint=str(network.checkpoint), **told)


def _drift(network: InService | None, store: Store | None, day: LastDay | None) -> Drift | None:
    if network is None or store is None or day is None:
        return None
    return find_drift(network.checkpoint, store, day.slots)


def _disk(folders: Folders) -> Disk:
    """Of the folder, or where it will be."""
    out = folders.out.absolute()
    usage = shutil.disk_usage(next(place for place in (out, *out.parents) if place.exists()))
    return Disk(free_gb=round(usage.free / 1e9, 3), total_gb=round(usage.total / 1e9, 3))

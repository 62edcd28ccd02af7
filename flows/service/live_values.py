"""What the live page tells of the service itself, from its status."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flows.service.status import Status
from nowcast.report.live_facts import (
    AlertFacts,
    DiskFacts,
    LatencyFacts,
    NetworkFacts,
    SkillFacts,
)


def watched(status: Status) -> dict[str, Any]:
    """The arguments of `LiveFacts` that the status alone has."""
    return {
        "last_ingest": plain(status.last_ingest) if status.last_ingest else None,
        "frames_last_day": status.frames_last_day,
        "missing_last_day": status.missing_last_day,
        "gaps": tuple((plain(first), plain(last)) for first, last in status.gaps),
        "latency": _latency(status),
        "skill": _skill(status),
        "drift": status.drift.sentence if status.drift else None,
        "disk": DiskFacts(status.disk.free_gb, status.disk.total_gb) if status.disk else None,
        "alerts": tuple(map(_alert, status.alerts)),
    }


def network(status: Status, checkpoints: Mapping[str, str]) -> NetworkFacts | None:
    """The network in service; its hash as its newest forecast tells it, else where it lies."""
    told = status.network
    if told is None:
        return None
    checkpoint = checkpoints.get(told.name, told.checkpoint)
    return NetworkFacts(told.name, checkpoint, moment_of(told.since), told.why)


def plain(time: datetime) -> datetime:
    """The same moment in UTC, without an offset."""
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def moment_of(text: Any) -> datetime | None:
    """A time of a journal; None where it is none."""
    try:
        return plain(datetime.fromisoformat(str(text)))
    except ValueError:
        return None


def _latency(status: Status) -> LatencyFacts | None:
    told = status.latency
    if not told.count:
        return None
    return LatencyFacts(told.count, _number(told.p50), _number(told.p95), _number(told.max))


def _skill(status: Status) -> SkillFacts | None:
    told = status.skill
    if told is None or not told.csi:
        return None
    return SkillFacts(
        told.threshold,
        told.lead_minutes,
        {name: tuple(map(_number, values)) for name, values in told.csi.items()},
        told.issue_times,
        {name: _number(gain) for name, gain in told.versus_extrapolation.items()},
    )


def _alert(line: Mapping[str, Any]) -> AlertFacts:
    told = line.get("sentence") or line.get("kind") or "an alert that says nothing"
    return AlertFacts(moment_of(line.get("time")), str(told))


def _number(value: float | None) -> float:
    return math.nan if value is None else value

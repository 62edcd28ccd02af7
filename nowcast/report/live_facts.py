"""What the live page tells, in plain values; times are in UTC and without an offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.batch import ZR


@dataclass(frozen=True)
class ForecastFacts:
    """One forecast of the newest issue time.

    Args:
        name: Of the forecaster.
        issue_time: When it was made.
        valid_times: One a field.
        dbz: (steps, H, W), NaN where missing; of an ensemble its mean.
        seconds: How long it took.
        fallback: Why it is another forecaster's, in one sentence; None where it is its own.
    """

    name: str
    issue_time: datetime
    valid_times: tuple[datetime, ...]
    dbz: NDArray[np.floating] = field(repr=False)
    seconds: float | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class SkyFacts:
    """What the radar saw last and what was forecast from it, on one grid.

    Args:
        times: Slots up to that of the newest frame, one at least.
        observed: (times, H, W) dBZ, NaN where missing and where a slot has no frame.
        filled: Whether a slot has a frame; the last one has.
        forecasts: Of one issue time.
        x: (W,) centres of the pixels in metres or degrees east.
        y: (H,) the same, north to south.
        degrees: Whether they are degrees.
        zr: The product's Z–R relation.
    """

    times: tuple[datetime, ...]
    observed: NDArray[np.floating] = field(repr=False)
    filled: tuple[bool, ...]
    forecasts: tuple[ForecastFacts, ...]
    x: NDArray[np.floating] = field(repr=False)
    y: NDArray[np.floating] = field(repr=False)
    degrees: bool
    zr: ZR


@dataclass(frozen=True)
class SkillFacts:
    """Scores of the forecasts of the last day whose hour is over.

    Args:
        threshold: Rain rate of an event, mm/h.
        lead_minutes: Of the scores.
        csi: Forecaster → CSI by lead time, NaN where undefined.
        issue_times: How many are pooled.
        gains: Forecaster → its CSI over all lead times less that of extrapolation; NaN where
            undefined.
    """

    threshold: float
    lead_minutes: tuple[int, ...]
    csi: Mapping[str, tuple[float, ...]]
    issue_times: int
    gains: Mapping[str, float]


@dataclass(frozen=True)
class LatencyFacts:
    """From a file's arrival to its forecasts, over the last day's cycles, in seconds."""

    count: int
    p50: float
    p95: float
    longest: float


@dataclass(frozen=True)
class NetworkFacts:
    """The network in service; `checkpoint` is the hash of its file, or where it lies."""

    name: str
    checkpoint: str
    since: datetime | None
    why: str


@dataclass(frozen=True)
class DiskFacts:
    """Space where the service writes, GB of 10⁹ bytes."""

    free_gb: float
    total_gb: float


@dataclass(frozen=True)
class AlertFacts:
    """What somebody was told, and when."""

    time: datetime | None
    sentence: str


@dataclass(frozen=True)
class LiveFacts:
    """All that the live page shows.

    Args:
        title: Headline of the page.
        provider: Who observes it.
        licence: On what terms.
        store: Address of the archive.
        made: When the page was.
        cadence_minutes: Between frames; None where it is not known.
        stale_minutes: A newest frame, or a page, older than this is said to be old.
        problems: What is wrong, a sentence each.
        newest_frame: Valid time; None without a frame.
        last_ingest: When a frame was stored last.
        frames_last_day: Slots of the last day with a frame.
        missing_last_day: Those without one.
        gaps: First and last slot of each stretch without a frame.
        sky: What there is to see; None without a frame.
        latency: None without a cycle.
        skill: None where nothing could be scored yet.
        network: None where none is in service.
        drift: In one sentence; None where it is not known.
        disk: None where it is not known.
        alerts: The newest last.
        links: What to read → address, relative to the page.
        code_version: Of this program.
    """

    title: str
    provider: str
    licence: str
    store: str
    made: datetime
    cadence_minutes: float | None
    stale_minutes: float
    problems: tuple[str, ...] = ()
    newest_frame: datetime | None = None
    last_ingest: datetime | None = None
    frames_last_day: int = 0
    missing_last_day: int = 0
    gaps: tuple[tuple[datetime, datetime], ...] = ()
    sky: SkyFacts | None = None
    latency: LatencyFacts | None = None
    skill: SkillFacts | None = None
    network: NetworkFacts | None = None
    drift: str | None = None
    disk: DiskFacts | None = None
    alerts: tuple[AlertFacts, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""

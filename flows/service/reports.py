"""Verification of a day or a week of what the service issued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from flows.forecasting import parse_time
from flows.publishing import Published, verify_period
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.verification import Request

Bounds = tuple[np.datetime64, np.datetime64]
DAYS = {"day": 1, "week": 7}
NAMES = {"day": "daily", "week": "weekly"}
# what needs no file: it is made anew, and is always among those compared
REFERENCE = "persistence"


def verify_span(
    configuration: Configuration,
    span: str,
    period: tuple[str | None, str | None],
    forecasters: list[str] | None,
    out: Path | None,
    dask: str | None = None,
) -> Published | str:
    """Score a period and write its report; or say why there is none.

    Args:
        configuration: Whose forecasts.
        span: "day" or "week": the last whole one, where the period is not told.
        period: Start and end, UTC.
        forecasters: Who forecasts anew; by default what was issued is scored.
        out: Folder of the report; by default one of the span and its last day.
        dask: Address of a Dask scheduler.

    Raises:
        ValueError: If only one end of the period is told, or nothing in it can be verified.
    """
    bounds = _bounds(span, period)
    minutes = configuration.lead_minutes
    if forecasters:
        request = Request(configuration.store, tuple(forecasters), lead_minutes=minutes)
    else:
        files = issued_files(configuration, bounds)
        if not files:
            told = " to ".join(str(time.astype("datetime64[m]")) for time in bounds)
            return f"no forecast was issued from {told}: nothing to verify"
        request = Request(configuration.store, files=files, lead_minutes=minutes)
    folder = out or Folders(configuration.out).reports / NAMES[span] / str(
        (bounds[1] - np.timedelta64(1, "ns")).astype("datetime64[D]")
    )
    return verify_period(request, bounds, folder, dask=dask)


def issued_files(configuration: Configuration, bounds: Bounds) -> tuple[Path, ...]:
    """The forecast files whose issue times lie in a period and have a past in it."""
    folders = Folders(configuration.out)
    first, last = (str(time.astype("datetime64[D]")).replace("-", "") for time in bounds)
    days = [path for path in sorted(folders.forecasts.glob("*")) if first <= path.name <= last]
    files = [file for day in days for file in sorted(day.glob("*.nc"))]
    return tuple(file for file in files if not file.stem.endswith(f"-{REFERENCE}"))


def _bounds(span: str, period: tuple[str | None, str | None]) -> Bounds:
    start, end = period
    if start and end:
        return parse_time(start), parse_time(end)
    if start or end:
        raise ValueError("verify: expected start and end, found one of them")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    first = midnight - timedelta(days=DAYS[span])
    return np.datetime64(first, "ns"), np.datetime64(midnight, "ns")

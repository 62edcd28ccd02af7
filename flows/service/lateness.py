"""Scheduled runs that come too late to be worth their while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.context import FlowRunContext


def too_late(cadence_minutes: float, now: datetime | None = None) -> str | None:
    """Why the present run should leave its work to the next one.

    A scheduled run is too late after a cadence: by then the next is due, which does all that this
    one would have done. A run that somebody started, or that an event did, never is.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    late = (now or datetime.now(UTC)) - run.expected_start_time
    if late <= timedelta(minutes=cadence_minutes):
        return None
    return f"{late.total_seconds():.0f} s late: the next run does its work"

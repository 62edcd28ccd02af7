"""Which issue times a verification takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from flows.forecasting import PAST
from flows.verification import Comparison
from pipeline.clock import clock
from pipeline.store import FILLED, Store

Period = tuple[np.datetime64 | None, np.datetime64 | None]


def whole_period(comparison: Comparison, period: Period) -> tuple[np.datetime64, np.datetime64]:
    """The period, that of the files where an end is open.

    Raises:
        ValueError: If an end is open and there are no files.
    """
    start, end = period
    if start is not None and end is not None:
        return start, end
    issued = comparison.issue_times
    if issued is None:
        raise ValueError("verify: expected --from and --to, or forecast files to take them from")
    if not issued.size:
        raise ValueError("verify: expected forecast files of the same issue times, found none")
    cadence = comparison.store.cadence
    first, last = issued[0] - (PAST - 1) * cadence, issued[-1] + comparison.steps * cadence
    return first if start is None else start, last if end is None else end


def issue_slots_of(comparison: Comparison, start: np.datetime64, end: np.datetime64) -> list[int]:
    """The issue times to verify: those of the store, where there are files those that all have."""
    store = comparison.store
    slots = issue_slots(store, start, end, comparison.steps)
    issued = comparison.issue_times
    if issued is None:
        return slots
    kept: Sequence[int] = np.array(slots)[np.isin(store.times[slots], issued)].tolist()
    if not kept:
        raise ValueError(
            f"{store.address}: none of the {issued.size} issue times that all forecast files have "
            "can be verified; they need a frame at the issue time, two before and some after"
        )
    inside = int(((issued >= start) & (issued <= end)).sum())
    if len(kept) < inside:
        warnings.warn(
            f"{inside - len(kept)} of {inside} issue times of the forecast files are left out: "
            f"{store.address} lacks the frames to verify them",
            stacklevel=2,
        )
    return list(kept)


def issue_slots(store: Store, start: np.datetime64, end: np.datetime64, steps: int) -> list[int]:
    """Slots from which a forecast can be issued and verified inside a period.

    The latest frame must be there, its past must not reach before `start`, the last valid time
    not beyond `end`, and some frame must be there to verify against.

    Raises:
        ValueError: If there is none.
    """
    period = store.slots_between(start, end)
    filled = np.isin(store.column("status", period), FILLED)
    seen = np.concatenate([[0], np.cumsum(filled)])
    issued = np.arange(PAST - 1, filled.size - steps)
    some = seen[issued + 1 + steps] > seen[issued + 1]
    slots: list[int] = (period.start + issued[filled[issued] & some]).tolist()
    if not slots:
        times = store.times
        held = f"{clock(times[0])} to {clock(times[-1])}" if len(times) else "nothing"
        raise ValueError(
            f"{store.address}: no forecast of {steps} steps can be verified from {clock(start)} to "
            f"{clock(end)}; the store holds {held}"
        )
    return slots

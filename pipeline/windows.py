"""Which pieces of a record are whole, and which of them train, validate and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from data_catalog.product import Period, Split

SPLITS: tuple[Split, ...] = get_args(Split)
FRACTIONS = (0.6, 0.15, 0.25)
SEARCH = 0.1

Splits = Mapping[Split, Sequence[Period]]


@dataclass(frozen=True)
class WindowRule:
    """How many consecutive frames a window holds: `past` up to the issue time, `future` after."""

    past: int = 3
    future: int = 2

    def __post_init__(self) -> None:
        if self.past < 1 or self.future < 0:
            raise ValueError(
                "window rule: expected at least 1 past and 0 future frames, "
                f"found {self.past} and {self.future}"
            )

    @property
    def length(self) -> int:
        """Frames in a window."""
        return self.past + self.future


def find_windows(observed: NDArray[np.bool_], rule: WindowRule) -> NDArray[np.int64]:
    """First slots of all windows whose every slot is observed, (N,) -> (windows,), ascending."""
    if observed.size < rule.length:
        return np.empty(0, np.int64)
    return np.flatnonzero(sliding_window_view(observed, rule.length).all(-1)).astype(np.int64)


def usual_guard(times: NDArray[np.datetime64]) -> np.timedelta64:
    """An hour between splits, or a twentieth of a record too short for that."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return np.timedelta64(min(3600, int(np.ptp(seconds)) // 20 if seconds.size else 0), "s")


def split_periods(
    times: NDArray[np.datetime64],
    observed: NDArray[np.bool_],
    rule: WindowRule,
    fractions: tuple[float, float, float] = FRACTIONS,
    *,
    guard: np.timedelta64,
) -> dict[Split, tuple[Period, ...]]:
    """Three whole periods in time order: train, validation, test.

    Each cut lies at the widest break within a tenth of the record around its fraction, so that
    events stay whole where they can; in an unbroken record it lies at the fraction itself.

    Args:
        times: (N,) valid times of the slots.
        observed: (N,) which slots hold a frame.
        rule: Each period holds at least one such window.
        fractions: Shares of the frames, adding to 1.
        guard: Least time between the last frame of one period and the first of the next.

    Raises:
        ValueError: If the fractions do not add to 1 or a period would hold no window.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"splits: expected three positive fractions of 1, found {fractions}")
    begins = (np.cumsum(observed) - 1)[find_windows(observed, rule)]
    times = times[observed]
    bounds = _bounds(times, begins, rule.length, fractions, guard)
    return {
        name: (Period(start=as_datetime(times[start]), end=as_datetime(times[end])),)
        for name, (start, end) in zip(SPLITS, bounds, strict=True)
    }


def assign_splits(
    first: NDArray[np.datetime64], last: NDArray[np.datetime64], splits: Splits
) -> NDArray[np.int8]:
    """For each window, by the times of its first and last frame, its index in SPLITS.

    A window counts only if all of it lies within one period; otherwise it is −1.
    """
    codes = np.full(first.shape, -1, np.int8)
    for name, periods in splits.items():
        for period in periods:
            inside = (first >= as_datetime64(period.start)) & (last <= as_datetime64(period.end))
            codes[inside] = SPLITS.index(name)
    return codes


def as_datetime(time: np.datetime64) -> datetime:
    """The same time, UTC without an offset."""
    seconds = int(time.astype("datetime64[s]").astype(np.int64))
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def as_datetime64(time: datetime) -> np.datetime64:
    """The same time, as the axes have it."""
    return np.datetime64(time, "ns")


def _bounds(
    times: NDArray[np.datetime64],
    begins: NDArray[np.int64],
    length: int,
    fractions: tuple[float, float, float],
    guard: np.timedelta64,
) -> list[tuple[int, int]]:
    """First and last frame of each period, where windows of `length` begin at `begins`."""
    starts, ends = [0], []
    for share, follows in ((fractions[0], 2), (sum(fractions[:2]), 1)):
        own = begins[begins >= starts[-1]]
        low = int(own[0]) + length if own.size else times.size + 1
        high = _last_cut(times, begins, follows, guard, length)
        if low > high:
            raise ValueError(
                f"splits: expected {length} frames in a row for each of train, validation "
                f"and test with {guard} between, found too few among {times.size} frames; "
                "ingest more or name the periods"
            )
        cut = _widest_break(times, round(share * times.size), low, high)
        ends.append(cut - 1)
        starts.append(_next_start(times, cut, guard))
    ends.append(times.size - 1)
    return list(zip(starts, ends, strict=True))


def _next_start(times: NDArray[np.datetime64], cut: int, guard: np.timedelta64) -> int:
    return max(cut, int(np.searchsorted(times, times[cut - 1] + guard)))


def _last_cut(
    times: NDArray[np.datetime64],
    begins: NDArray[np.int64],
    follows: int,
    guard: np.timedelta64,
    length: int,
) -> int:
    """The last cut after which a window still fits into each of the periods that follow."""
    stop = times.size
    for _ in range(follows):
        fitting = begins[begins + length <= stop]
        if not fitting.size:
            return 0
        start = int(fitting[-1])
        stop = min(start, int(np.searchsorted(times, times[start] - guard, "right")))
    return stop


def _widest_break(times: NDArray[np.datetime64], wanted: int, low: int, high: int) -> int:
    reach = round(SEARCH * times.size)
    wanted = min(max(wanted, low), high)
    near = np.arange(max(wanted - reach, low), min(wanted + reach, high) + 1)
    widths = times[near] - times[near - 1]
    best = near[widths == widths.max()]
    return int(best[np.abs(best - wanted).argmin()])

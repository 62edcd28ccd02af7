from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_catalog.product import Period
from data_catalog.storms import demo_events, event_periods
from pipeline.windows import (
    SPLITS,
    WindowRule,
    as_datetime64,
    assign_splits,
    find_windows,
    split_periods,
    usual_guard,
)

START = np.datetime64("2026-06-01T00:00", "ns")
STEP = np.timedelta64(6, "m")
RULE = WindowRule(3, 2)
HOUR = np.timedelta64(1, "h")


def axis(count: int) -> np.ndarray:
    return START + STEP * np.arange(count)


def whole(count: int) -> np.ndarray:
    return np.ones(count, bool)


def test_no_window_spans_a_gap() -> None:
    observed = whole(14)
    observed[6] = False
    np.testing.assert_array_equal(find_windows(observed, RULE), [0, 1, 7, 8, 9])


def test_an_unbroken_record_holds_a_window_at_each_slot_but_the_last_ones() -> None:
    np.testing.assert_array_equal(find_windows(whole(9), RULE), np.arange(5))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_record_shorter_than_a_window_holds_none(count: int) -> None:
    assert find_windows(whole(count), RULE).size == 0


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4), st.integers(0, 3))
def test_windows_are_all_runs_of_observed_slots(
    observed: list[bool], past: int, future: int
) -> None:
    rule = WindowRule(past, future)
    runs = [k for k in range(len(observed) - rule.length + 1) if all(observed[k : k + rule.length])]
    assert find_windows(np.array(observed, bool), rule).tolist() == runs


@pytest.mark.parametrize(("past", "future"), [(0, 2), (3, -1)])
def test_a_window_without_a_past_is_refused(past: int, future: int) -> None:
    with pytest.raises(ValueError, match=f"found {past} and {future}"):
        WindowRule(past, future)


def test_splits_are_in_time_order_with_the_guard_between() -> None:
    times = axis(400)
    periods = [split_periods(times, whole(400), RULE, guard=HOUR)[name][0] for name in SPLITS]
    assert periods[0].start == datetime(2026, 6, 1)
    assert as_datetime64(periods[2].end) == times[-1]
    for earlier, later in pairwise(periods):
        assert later.start - earlier.end == timedelta(hours=1)


def test_splits_of_an_unbroken_record_follow_the_fractions() -> None:
    times = axis(400)
    splits = split_periods(times, whole(400), RULE, (0.5, 0.2, 0.3), guard=0 * HOUR)
    counts = [(p.end - p.start) / timedelta(minutes=6) + 1 for (p,) in splits.values()]
    assert counts == [200, 80, 120]


def test_events_stay_whole_where_they_can() -> None:
    arrived = np.concatenate([event.valid_times for event in demo_events()])
    times = np.arange(arrived[0], arrived[-1] + STEP, STEP)
    splits = split_periods(times, np.isin(times, arrived), RULE, guard=usual_guard(arrived))
    starts, ends = zip(*event_periods(), strict=True)
    for (period,) in splits.values():
        assert period.start in starts
        assert period.end in ends


@given(
    st.lists(st.sampled_from([1, 1, 1, 1, 1, 1, 2, 40]), min_size=1, max_size=90),
    st.integers(0, 12),
    st.sampled_from([(0.6, 0.15, 0.25), (0.9, 0.05, 0.05), (0.1, 0.1, 0.8)]),
)
def test_every_period_holds_a_window_whatever_the_record(
    steps: list[int], guard: int, fractions: tuple[float, float, float]
) -> None:
    slots = np.cumsum(steps)
    observed = np.isin(np.arange(slots[-1] + 1), slots)
    times = axis(observed.size)
    first = find_windows(observed, RULE)
    try:
        splits = split_periods(times, observed, RULE, fractions, guard=guard * STEP)
    except ValueError:
        assert not three_apart(first.tolist(), guard)
        return
    codes = assign_splits(times[first], times[first + 4], splits)
    assert set(codes.tolist()) >= {0, 1, 2}
    for earlier, later in pairwise(splits[name][0] for name in SPLITS):
        assert later.start - earlier.end >= max(guard, 1) * timedelta(minutes=6)


def three_apart(first: list[int], guard: int) -> bool:
    """Whether three windows of five fit one after the other with the guard between."""
    count, free = 0, -1
    for slot in first:
        if slot >= free:
            count, free = count + 1, slot + 4 + max(guard, 1)
    return count >= 3


@pytest.mark.parametrize("count", [0, 1, 14])
def test_a_record_too_short_to_split_is_refused(count: int) -> None:
    times = axis(count)
    with pytest.raises(ValueError, match=f"expected 5 frames in a row .* among {count} frames"):
        split_periods(times, whole(times.size), RULE, guard=usual_guard(times))


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.0, 0.0, 0.0), (0.7, -0.1, 0.4)])
def test_fractions_that_are_no_shares_of_one_are_refused(
    fractions: tuple[float, float, float],
) -> None:
    with pytest.raises(ValueError, match="three positive fractions of 1"):
        split_periods(axis(100), whole(100), RULE, fractions, guard=HOUR)


def test_the_guard_is_an_hour_but_for_short_records() -> None:
    assert usual_guard(axis(2000)) == HOUR
    assert usual_guard(axis(41)) == np.timedelta64(12, "m")
    assert usual_guard(axis(0)) == np.timedelta64(0, "s")


def test_a_window_across_the_end_of_a_period_belongs_to_no_split() -> None:
    splits = {
        "train": (Period(start=datetime(2026, 6, 1), end=datetime(2026, 6, 1, 1)),),
        "test": (Period(start=datetime(2026, 6, 1, 1, 6), end=datetime(2026, 6, 1, 2)),),
    }
    times = axis(21)
    starts = find_windows(whole(21), RULE)
    codes = assign_splits(times[starts], times[starts + 4], splits)
    train, test = SPLITS.index("train"), SPLITS.index("test")
    assert codes.tolist() == [train] * 7 + [-1] * 4 + [test] * 6

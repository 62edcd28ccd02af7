from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zarr

from pipeline.days import days
from pipeline.frames import Grid
from pipeline.gaps import find_gaps
from pipeline.layout import STATUSES
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.summary import gap_lines, summarise
from pipeline.writer import PackedFrame, StoreWriter

MARSHALL_PALMER = ZR(200, 1.6)
FIRST = np.datetime64("2020-01-01T01:10", "ns")
FIVE_MINUTES = np.timedelta64(5, "m")


def frame(k: int, grid: Grid, dbz: float = 30.0) -> PackedFrame:
    pixels = np.full(grid.shape, NO_ECHO, np.float32)
    pixels[: 1 + k % 7] = dbz
    return PackedFrame.of(pixels, FIRST + k * FIVE_MINUTES, f"{k}.nc", MARSHALL_PALMER)


def store_of(path: Path, grid: Grid, *turns: list[int]) -> Store:
    Store.create(path, grid, MARSHALL_PALMER, product="test", cadence=FIVE_MINUTES)
    for ks in turns:
        with StoreWriter(path) as writer:
            writer.fill([frame(k, grid) for k in ks])
    return Store.open(path)


@pytest.fixture(scope="module")
def store(small_grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Frames on three days; two late, a gap of two slots, one of more than a day."""
    path = tmp_path_factory.mktemp("summary") / "s.zarr"
    return store_of(path, small_grid, [0, 1, 4, 300, 301, 700], [302, 303])


def test_period_goes_from_the_first_frame_to_the_last(store: Store) -> None:
    summary = summarise(store)
    assert store.times[0] < FIRST
    assert (summary.first, summary.last) == (FIRST, FIRST + 700 * FIVE_MINUTES)
    assert summary.frames == 8
    assert summary.slots == {
        **dict.fromkeys(STATUSES, 0),
        "missing": 701 - 8,
        "observed": 6,
        "late": 2,
    }


def test_gaps_are_those_between_two_frames(store: Store) -> None:
    within = [(2, 3), (5, 299), (304, 699)]
    expected = tuple((FIRST + a * FIVE_MINUTES, FIRST + b * FIVE_MINUTES) for a, b in within)
    assert summarise(store).gaps == expected


def test_a_part_of_a_store_has_a_summary_of_its_own(store: Store) -> None:
    summary = summarise(store, FIRST + 2 * FIVE_MINUTES, FIRST + 310 * FIVE_MINUTES)
    assert (summary.first, summary.last) == (FIRST + 4 * FIVE_MINUTES, FIRST + 303 * FIVE_MINUTES)
    assert (summary.frames, len(summary.gaps)) == (5, 1)
    after = summarise(store, FIRST + 400 * FIVE_MINUTES, FIRST + 500 * FIVE_MINUTES)
    assert (after.first, after.frames, after.gaps) == (None, 0, ())


def test_summary_knows_files_and_bytes_per_frame(store: Store) -> None:
    files = [path for path in Path(store.address).rglob("*") if path.is_file()]
    summary = summarise(store)
    assert summary.objects == len(files)
    assert summary.size_bytes == sum(path.stat().st_size for path in files)
    assert summary.bytes_per_frame == pytest.approx(summary.size_bytes / 8)
    assert summary.to_json()["bytes_per_frame"] == round(summary.size_bytes / 8)
    assert f"in {len(files)} files" in dict(summary.rows())["size"]


def test_days_add_to_the_summary(store: Store) -> None:
    each, summary = days(store), summarise(store)
    assert [day.date for day in each] == [date(2020, 1, 1), date(2020, 1, 2), date(2020, 1, 3)]
    for status in STATUSES:
        assert sum(day.slots[status] for day in each) == summary.slots[status]
    assert sum(day.gaps for day in each) == len(summary.gaps)
    wet_sum, wet_frames = (
        sum(getattr(day, of) for day in each) for of in ("wet_sum", "wet_frames")
    )
    assert wet_frames == summary.frames
    assert wet_sum / wet_frames == pytest.approx(summary.wet_share)


def test_a_day_counts_its_own_slots(store: Store) -> None:
    first, second, third = days(store)
    assert (first.frames, second.frames, third.frames) == (3, 4, 1)
    assert sum(second.slots.values()) == 288
    assert (first.gaps, second.gaps, third.gaps) == (2, 1, 0)
    assert second.slots["late"] == 2
    of_second = store.wet_share[
        store.slots_between(*np.array(["2020-01-02", "2020-01-03"], "M8[ns]"))
    ]
    assert second.wet_share == pytest.approx(np.nanmean(of_second))
    assert second.wet_share > 0


def test_a_store_without_a_frame_has_no_period_and_no_days(
    small_grid: Grid, tmp_path: Path
) -> None:
    store = store_of(tmp_path / "s.zarr", small_grid)
    for empty in (store, cleared(small_grid, tmp_path / "cleared.zarr")):
        summary = summarise(empty)
        assert (summary.first, summary.last, summary.frames, summary.gaps) == (None, None, 0, ())
        assert np.isnan(summary.bytes_per_frame)
        assert dict(summary.rows())["period"] == "no frame yet"
        assert days(empty) == ()
        assert summary.to_json()["wet_share"] is summary.to_json()["bytes_per_frame"] is None


def cleared(grid: Grid, path: Path) -> Store:
    store_of(path, grid, [0, 1])
    zarr.open_group(path, mode="r+")["status"][:] = STATUSES.index("missing")
    return Store.open(path)


def test_thousands_of_gaps_stay_readable() -> None:
    filled = np.ones(10_000, bool)
    filled[1::4] = False
    filled[5003] = filled[5004] = False
    times = FIRST + np.arange(10_000) * FIVE_MINUTES
    gaps = tuple((times[a], times[b]) for a, b in find_gaps(filled))
    lines = gap_lines(gaps)
    assert lines[0] == "2500 gaps, the longest 2020-01-18 10:05 to 2020-01-18 10:15"
    assert lines[1] == "2020-01-01 01:15"
    assert lines[-1] == "and 2497 more"
    assert len(lines) == 5
    assert len(gap_lines(gaps[:8])) == 8


def test_gaps_of_any_slots_are_those_found_one_by_one() -> None:
    filled = np.random.default_rng(2).random(500) < 0.6
    first, last = np.flatnonzero(filled)[[0, -1]]
    expected, start = [], None
    for slot in range(first, last + 1):
        if not filled[slot] and start is None:
            start = slot
        if filled[slot] and start is not None:
            expected.append([start, slot - 1])
            start = None
    assert find_gaps(filled).tolist() == expected
    assert len(expected) > 50


def test_each_column_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    column = Store.column

    def note(self: Store, name: str, stretch: slice = slice(None)) -> np.ndarray:
        read.append(name)
        return column(self, name, stretch)

    monkeypatch.setattr(Store, "column", note)
    summarise(store)
    assert sorted(read) == ["observed_share", "status", "wet_share"]


def test_refused_slots_behind_the_last_frame_are_counted(small_grid: Grid, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    store_of(path, small_grid, [0, 1, 2])
    status = zarr.open_group(path, mode="r+")["status"]
    status[-1] = STATUSES.index("refused")
    store = Store.open(path)
    summary = summarise(store)
    assert (summary.frames, summary.slots["refused"]) == (2, 1)
    assert summary.last == FIRST + FIVE_MINUTES
    assert summary.gaps == ()
    assert [day.slots["refused"] for day in days(store)] == [1]

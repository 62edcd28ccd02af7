"""Writes that fail at every single instant at which they can."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from store_samples import FIRST, FIVE_MINUTES, frame, new_store, pixels

from pipeline.check import check_store
from pipeline.compact import compact
from pipeline.frames import Grid
from pipeline.places import durable
from pipeline.store import Store
from pipeline.writer import StoreWriter

# frame and seed: first frames, a late one, earlier ones, revised ones, more
BATCHES = (
    [(30, 30), (31, 31), (33, 33)],
    [(32, 32)],
    [(2, 2), (3, 3)],
    [(31, 99), (2, 98), (34, 34)],
    [(60, 60)],
)


class PulledPlugError(BaseException):
    """The end of a process: nothing catches it."""


@contextmanager
def failing_after(writes: int, error: Callable[[], BaseException]) -> Iterator[list[str]]:
    """Let so many objects be written or deleted; the next is not, and raises."""
    done: list[str] = []
    write, unlink = durable.write, Path.unlink

    def count(path: Path) -> None:
        if len(done) >= writes:
            raise error()
        done.append(str(path))

    def counted_write(path: Path, content: bytes) -> None:
        count(path)
        write(path, content)

    def counted_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == ".revising" and path.exists():
            count(path)
        unlink(path, missing_ok=missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "write", counted_write)
        patch.setattr(Path, "unlink", counted_unlink)
        yield done


def ingest_all(path: Path, grid: Grid) -> Iterator[list[tuple[int, int]]]:
    """Put the batches in; each is yielded when it was reported as stored."""
    for batch in BATCHES:
        with StoreWriter(path, lambda: new_store(path, grid)) as writer:
            writer.fill([frame(k, grid, seed) for k, seed in batch])
        yield batch


def slots_of(store: Store) -> dict[int, np.ndarray]:
    """The frames of a store by their number."""
    numbers = (store.times - FIRST) // FIVE_MINUTES
    return {
        int(numbers[slot]): store.read(int(slot), int(slot) + 1)[0]
        for slot in np.flatnonzero(store.observed)
    }


def check_promises(path: Path, grid: Grid, stored: dict[int, set[int]]) -> None:
    """Every reported frame is there and whole, as reported or as a later revision had it."""
    if not stored and not path.exists():
        return
    found = slots_of(Store.open(path))
    for k, seeds in stored.items():
        assert any(np.array_equal(found[k], pixels(k, grid, seed)) for seed in seeds)
    report = check_store(path)
    assert (report.repaired, report.damaged) == ((), ())


def run_until(path: Path, grid: Grid, writes: int, error: Callable[[], BaseException]) -> bool:
    """Whether all was written before the plug was pulled; checks what is left."""
    stored: dict[int, set[int]] = {}
    attempted: dict[int, set[int]] = {}
    try:
        with failing_after(writes, error):
            for position, batch in enumerate(ingest_all(path, grid), 1):
                for k, seed in batch:
                    stored[k] = {seed}
                attempted = {k: {seed} for k, seed in (BATCHES[position : position + 1] or [[]])[0]}
    except (PulledPlugError, OSError):
        whole = False
    else:
        whole = True
    check_promises(path, grid, {k: seeds | attempted.get(k, set()) for k, seeds in stored.items()})
    return whole


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "stride"),
    [
        (PulledPlugError, 9),
        (disk_full, 11),
        pytest.param(PulledPlugError, 1, marks=pytest.mark.slow),
        pytest.param(disk_full, 1, marks=pytest.mark.slow),
    ],
)
def test_no_instant_of_a_cut_loses_or_tears_a_frame(
    tmp_path: Path, small_grid: Grid, error: Callable[[], BaseException], stride: int
) -> None:
    straight = tmp_path / "straight.zarr"
    list(ingest_all(straight, small_grid))
    expected = slots_of(Store.open(straight))
    writes, whole = 0, False
    while not whole:
        path = tmp_path / f"{writes}.zarr"
        whole = run_until(path, small_grid, writes, error)
        list(ingest_all(path, small_grid))
        found = slots_of(Store.open(path))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[k], expected[k]) for k in expected)
        writes += stride
    assert writes > 60


def test_no_instant_of_a_cut_compaction_loses_a_frame(tmp_path: Path, small_grid: Grid) -> None:
    path = tmp_path / "s.zarr"
    list(ingest_all(path, small_grid))
    expected = slots_of(Store.open(path))
    writes, whole = 0, False
    while not whole:
        try:
            with failing_after(writes, PulledPlugError):
                compact(path, np.timedelta64(0, "h"))
            whole = True
        except PulledPlugError:
            pass
        found = slots_of(Store.open(path))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[k], expected[k]) for k in expected)
        assert check_store(path).damaged == ()
        writes = 1 + writes % 3
    assert Store.open(path).column("settled").sum() == sum(k < 48 for k in expected)

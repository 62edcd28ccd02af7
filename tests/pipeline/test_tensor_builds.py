"""Building a tensor set of any size: in bounded memory, cut and gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tensor_samples import make_store, numbered, periods, put

from pipeline import tensors as building
from pipeline import unfinished
from pipeline.store import Store
from pipeline.tensor_plan import TensorPlan
from pipeline.tensors import Acceptance, WindowRule, build_tensors

FRAME_BYTES = 2 * 24 * 30
KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline import tensors, unfinished
from pipeline.store import Store
tensors.PIECE_BYTES = unfinished.SAVE_BYTES = 4 * {frame}
def kill(done, frames):
    if done >= {at}:
        os.kill(os.getpid(), signal.SIGKILL)
tensors.build_tensors(Store.open(sys.argv[1]), Path(sys.argv[2]), progress=kill)
"""


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PIECE_BYTES", 4 * FRAME_BYTES)
    monkeypatch.setattr(unfinished, "SAVE_BYTES", 4 * FRAME_BYTES)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def cut(store: Store, out: Path, at: int, **options: object) -> None:
    """Begin a build that fails once `at` frames are written."""

    def fail(done: int, _all: int) -> None:
        if done >= at:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        build_tensors(store, out, progress=fail, **options)


def frames_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each read from now on takes."""
    taken: list[int] = []
    read = store.read

    def counted(start: int, stop: int) -> np.ndarray:
        taken.append(stop - start)
        return read(start, stop)

    monkeypatch.setattr(store, "read", counted)
    return taken


@pytest.mark.parametrize("at", [0, 1, 17, 40])
def test_a_build_that_was_cut_ends_where_a_whole_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50), lost=(9, 30))
    whole = build_tensors(store, tmp_path / "whole")
    cut(store, tmp_path / "cut", at)
    assert not (tmp_path / "cut").exists()
    taken = frames_read(store, monkeypatch)
    resumed = build_tensors(store, tmp_path / "cut")
    assert bytes_of(resumed.path) == bytes_of(whole.path)
    assert sum(taken) <= whole.manifest.frames - at
    assert not (tmp_path / ".cut.new").exists()


def test_a_build_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50), lost=(9, 30))
    whole = build_tensors(store, tmp_path / "whole")
    program = KILLED.format(frame=FRAME_BYTES, at=24)
    command = [sys.executable, "-c", program, store.address, str(tmp_path / "cut")]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    with (tmp_path / ".cut.new" / "frames.npy").open("ab") as frames:
        frames.write(b"half a frame")
    taken = frames_read(store, monkeypatch)
    assert bytes_of(build_tensors(store, tmp_path / "cut").path) == bytes_of(whole.path)
    assert 0 < sum(taken) <= whole.manifest.frames - 20


def test_a_build_that_fails_leaves_the_old_set_until_it_is_done(tmp_path: Path) -> None:
    out = tmp_path / "tensors"
    build_tensors(make_store(tmp_path / "one.zarr", numbered(40)), out)
    before = bytes_of(out)
    store = make_store(tmp_path / "two.zarr", numbered(50))
    cut(store, out, 8)
    assert bytes_of(out) == before
    assert build_tensors(store, out).manifest.store == store.address
    assert not list(tmp_path.glob(".tensors.[no]*"))


@pytest.mark.parametrize("change", ["rule", "acceptance", "splits", "revised", "cut file"])
def test_a_build_of_something_else_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    cut(store, tmp_path / "cut", 16)
    options: dict[str, object] = {
        "rule": {"rule": WindowRule(2, 2)},
        "acceptance": {"acceptance": Acceptance(block=8)},
        "splits": {"splits": {"train": periods((0, 49))}},
    }.get(change, {})
    if change == "revised":
        store = put(store, {3: 12.0})
    if change == "cut file":
        (tmp_path / ".cut.new" / "frames.npy").write_bytes(b"")
    taken = frames_read(store, monkeypatch)
    found = build_tensors(store, tmp_path / "cut", **options)
    assert sum(taken) == found.manifest.frames
    assert bytes_of(build_tensors(store, tmp_path / "whole", **options).path) == bytes_of(
        found.path
    )


def test_a_build_that_was_cut_goes_on_while_its_store_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    whole = build_tensors(store, tmp_path / "whole")
    cut(store, tmp_path / "cut", 16)
    grown = put(store, dict.fromkeys(range(50, 70), 20.0))
    taken = frames_read(grown, monkeypatch)
    assert bytes_of(build_tensors(grown, tmp_path / "cut").path) == bytes_of(whole.path)
    assert sum(taken) <= whole.manifest.frames - 16
    assert build_tensors(grown, tmp_path / "cut").manifest.period.end > whole.manifest.period.end


def test_few_frames_are_in_memory_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(200))
    lock, waiting, most = threading.Lock(), [0], [0]
    read, append = store.read, unfinished.Unfinished.append

    def counted(start: int, stop: int) -> np.ndarray:
        with lock:
            waiting[0] += stop - start
            most[0] = max(most[0], waiting[0])
        return read(start, stop)

    def freed(self: unfinished.Unfinished, packed: np.ndarray, *sums: np.ndarray) -> None:
        append(self, packed, *sums)
        with lock:
            waiting[0] -= len(packed)

    monkeypatch.setattr(store, "read", counted)
    monkeypatch.setattr(unfinished.Unfinished, "append", freed)
    tensors = build_tensors(store, tmp_path / "tensors")
    assert waiting == [0]
    assert 4 <= most[0] <= 6 * 4 < tensors.manifest.frames / 5


def test_pieces_hold_consecutive_slots_and_end_between_shards(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(100), lost=(33, 71))
    assert store.shard == 20
    plan = TensorPlan.of(store, WindowRule(), {"train": periods((0, 99))}, Acceptance())
    pieces = list(plan.pieces(7, 25, store.shard))
    assert [n for piece in pieces for n in piece] == list(range(7, plan.slots.size))
    slots = [plan.slots[piece.start : piece.stop] for piece in pieces]
    assert all((np.diff(run) == 1).all() and run.size <= 20 for run in slots)
    assert [int(run[-1]) + 1 for run in slots] == [20, 33, 40, 60, 71, 80, 100]


def test_progress_is_told_from_where_the_build_goes_on(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    splits = {"train": periods((0, 49))}
    cut(store, tmp_path / "tensors", 16, splits=splits)
    told: list[tuple[int, int]] = []
    build_tensors(
        store, tmp_path / "tensors", splits=splits, progress=lambda *now: told.append(now)
    )
    assert (told[0], told[-1]) == ((16, 50), (50, 50))
    assert sorted(told) == told


def test_one_process_builds_at_a_time(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))

    def again(done: int, _all: int) -> None:
        if done:
            build_tensors(store, tmp_path / "tensors")

    with pytest.raises(BlockingIOError, match="another process is building this tensor set; try"):
        build_tensors(store, tmp_path / "tensors", progress=again)


def test_a_frame_that_changes_while_the_set_is_built_stops_it(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))

    def revise(done: int, _all: int) -> None:
        if not done:
            put(store, {37: 12.0})

    with pytest.raises(ValueError, match=r"frame of 2026-06-01 03:42 is not the one that was sto"):
        build_tensors(store, tmp_path / "tensors", progress=revise)
    assert not (tmp_path / "tensors").exists()
    assert build_tensors(Store.open(store.address), tmp_path / "tensors").manifest.frames == 46


def test_a_damaged_frame_is_named_with_the_cure(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    shard = tmp_path / "store.zarr" / "reflectivity" / "c" / "1" / "0" / "0"
    whole = shard.read_bytes()
    shard.write_bytes(b"?" * 500 + whole[500:])
    with pytest.raises(
        ValueError, match=r"store\.zarr: .*2026-06-01 02:.*run `nowcast check"
    ) as no:
        build_tensors(store, tmp_path / "tensors")
    assert "\n" not in str(no.value)
    shard.write_bytes(whole)
    assert build_tensors(store, tmp_path / "tensors").manifest.frames == 46

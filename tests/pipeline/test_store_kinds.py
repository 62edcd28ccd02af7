from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from place_samples import holder_of
from store_samples import FIRST, FIVE_MINUTES, MARSHALL_PALMER, fill, frame, new_store, pixels

from data_catalog.storms import Storms, write_storms
from pipeline.check import check_store
from pipeline.frames import Grid
from pipeline.ingest import ingest
from pipeline.layout import encode_frame
from pipeline.packed_frame import PackedFrame
from pipeline.store import Store
from pipeline.summary import summarise
from pipeline.writer import StoreWriter


@pytest.fixture
def store(address: str, small_grid: Grid) -> str:
    """An empty store of each kind."""
    return str(new_store(address, small_grid))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_storms(
        tmp_path_factory.mktemp("files"), Storms(height=32, width=32, frames=8, lost=(3,))
    )


def shown(address: str) -> dict[int, np.ndarray]:
    """The frames that a reader sees, by their distance from the first."""
    store = Store.open(address)
    return {
        int((store.times[slot] - FIRST) // FIVE_MINUTES): store.read(slot, slot + 1)[0]
        for slot in np.flatnonzero(store.observed).tolist()
    }


def assert_shows(address: str, frames: dict[int, np.ndarray]) -> None:
    found = shown(address)
    assert sorted(found) == sorted(frames)
    for k, expected in frames.items():
        np.testing.assert_array_equal(found[k], expected)


def test_frames_come_back_from_their_slots(store: str, small_grid: Grid) -> None:
    assert fill(store, small_grid, [3, 0, 1]) == ["observed"] * 3
    assert fill(store, small_grid, [30, 2]) == ["observed", "late"]
    assert_shows(store, {k: pixels(k, small_grid) for k in (0, 1, 2, 3, 30)})
    opened = Store.open(store)
    assert opened.address == store
    assert np.isnan(opened.dbz(opened.slot(FIRST + 4 * FIVE_MINUTES), len(opened) - 1)).all()
    assert (opened.snapshot is not None) == store.startswith("icechunk:")


def test_a_store_is_made_once(store: str, small_grid: Grid) -> None:
    fill(store, small_grid, [0])
    with pytest.raises(FileExistsError, match="expected a place for a new store"):
        new_store(store, small_grid)
    assert_shows(store, {0: pixels(0, small_grid)})


def test_no_store_is_one_sentence(address: str) -> None:
    with pytest.raises(FileNotFoundError, match="no store here; make one with `nowcast ingest"):
        Store.open(address)


def test_other_pixels_are_a_revision_and_the_same_are_not(store: str, small_grid: Grid) -> None:
    fill(store, small_grid, [0, 1])
    before = Store.open(store).fingerprint()
    assert fill(store, small_grid, [0, 1]) == ["unchanged"] * 2
    assert Store.open(store).fingerprint() == before
    with StoreWriter(store) as writer:
        assert writer.fill([frame(0, small_grid, seed=99)]) == ["revised"]
    assert_shows(store, {0: pixels(0, small_grid, seed=99), 1: pixels(1, small_grid)})
    assert Store.open(store).fingerprint() != before


def test_what_cannot_be_weather_is_refused(store: str, small_grid: Grid) -> None:
    nonsense = np.full(small_grid.shape, 95.5, np.float32)
    bad = PackedFrame.of(nonsense, FIRST, "bad.nc", MARSHALL_PALMER)
    with StoreWriter(store) as writer:
        assert writer.fill([bad, frame(1, small_grid)]) == ["refused", "observed"]
    assert_shows(store, {1: pixels(1, small_grid)})
    assert Store.open(store).status.tolist()[-2:] == [4, 1]


def test_earlier_frames_go_before_the_first_or_are_refused_whole(
    store: str, small_grid: Grid
) -> None:
    fill(store, small_grid, [5, 6])
    expected = {k: pixels(k, small_grid) for k in (5, 6)}
    if store.startswith("s3:"):
        with pytest.raises(ValueError, match="make the store anew from its earliest files"):
            fill(store, small_grid, [-3, 7])
    else:
        assert fill(store, small_grid, [-3, 7]) == ["late", "observed"]
        expected |= {k: pixels(k, small_grid) for k in (-3, 7)}
    assert_shows(store, expected)
    assert fill(store, small_grid, [8]) == ["observed"]
    assert_shows(store, expected | {8: pixels(8, small_grid)})


def test_a_reader_sees_whole_frames_while_a_writer_writes(store: str, small_grid: Grid) -> None:
    fill(store, small_grid, [0])
    reader = Store.open(store)
    with StoreWriter(store) as writer:
        for k in range(1, 4):
            writer.fill([frame(k, small_grid)])
            assert_shows(store, {j: pixels(j, small_grid) for j in range(k + 1)})
            np.testing.assert_array_equal(reader.read(0, 1)[0], pixels(0, small_grid))
    assert len(reader) == 1


def test_a_second_writer_is_refused_and_a_killed_ones_place_is_free(
    store: str, small_grid: Grid
) -> None:
    with holder_of(store) as other:
        with pytest.raises(BlockingIOError, match="writing to this store; try again"):
            fill(store, small_grid, [0])
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert fill(store, small_grid, [0]) == ["observed"]


def test_ingest_twice_is_ingest_once(address: str, files: list[Path]) -> None:
    first = ingest(files, address, product="storms")
    assert first.frames["observed"] == len(files)
    before = Store.open(address)
    assert ingest(files, address).frames == {"unchanged": len(files)}
    after = Store.open(address)
    assert after.fingerprint() == before.fingerprint()
    assert after.snapshot == before.snapshot
    assert summarise(after)


def test_the_kinds_hold_the_same(address: str, files: list[Path], tmp_path: Path) -> None:
    ingest(files, address, product="storms")
    ingest(files, tmp_path / "folder.zarr", product="storms")
    assert Store.open(address).fingerprint() == Store.open(tmp_path / "folder.zarr").fingerprint()


def test_a_check_finds_what_was_damaged_and_it_is_ingested_again(
    address: str, files: list[Path]
) -> None:
    ingest(files, address, product="storms")
    assert check_store(address).sentence().endswith(f"{len(files)} frames, all whole")
    damage_last_frame(address)
    report = check_store(address)
    assert report.damaged == (Store.open(address).times[-1],)
    assert not Store.open(address).observed[-1]
    assert ingest(files, address).frames["observed"] == 1
    assert check_store(address).damaged == ()


def damage_last_frame(address: str) -> None:
    slot = len(Store.open(address)) - 1
    other = np.full((32, 32), 1000, np.int16)
    with StoreWriter(address) as writer:
        writer.frames.put({slot: encode_frame(other, writer.store.order)})
        writer.place.save("damage")


def test_early_files_go_in_where_the_place_can_and_else_are_refused_one_by_one(
    address: str, tmp_path: Path
) -> None:
    paths = write_storms(tmp_path / "files", Storms(height=32, width=32, frames=45))
    ingest(paths[30:35], address, product="storms")
    report = ingest([*paths[:2], *paths[35:]], address, product="storms")
    opened = Store.open(address)
    refused = [] if opened.movable else paths[:2]
    assert [refusal.path for refusal in report.refused] == refused
    assert all("an object store cannot grow backwards" in r.reason for r in report.refused)
    assert opened.observed.sum() == 17 - len(refused)

from __future__ import annotations

import shutil
from pathlib import Path

import icechunk
import numpy as np
import pytest
import zarr
from place_samples import frames_of, made
from zarr.abc.store import Store as ZarrStore

from pipeline.places import place_of


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A repository that holds frames of 1, 2 and 3."""
    address = f"icechunk:{tmp_path}/store"
    made(place_of(address), [1, 2, 3])
    return address


def messages(address: str) -> list[str]:
    storage = icechunk.local_filesystem_storage(address.removeprefix("icechunk:"))
    history = icechunk.Repository.open(storage).ancestry(branch="main")
    return [state.message for state in history][::-1][1:]


def write(objects: ZarrStore, slot: int, value: int) -> None:
    zarr.open_group(objects, mode="r+")["frames"][slot] = value


def test_a_save_is_one_commit_and_one_without_changes_is_none(address: str) -> None:
    place = place_of(address)
    objects = place.writing()
    write(objects, 0, 8)
    write(objects, 1, 9)
    place.save("two frames")
    place.writing()
    place.save("nothing")
    place.save("nothing")
    assert messages(address) == ["an empty store", "two frames"]


def test_readers_see_nothing_before_the_save_and_a_new_writer_drops_it(address: str) -> None:
    place = place_of(address)
    write(place.writing(), 0, 8)
    assert frames_of(place_of(address)) == [1, 2, 3]
    write(place.writing(), 1, 9)
    place.save("one frame")
    assert frames_of(place_of(address)) == [1, 9, 3]


def test_a_snapshot_names_what_was_read(address: str) -> None:
    reader = place_of(address)
    assert frames_of(reader) == [1, 2, 3]
    writer = place_of(address)
    write(writer.writing(), 0, 8)
    writer.save("one frame")
    assert reader.snapshot != place_of(address).snapshot == writer.snapshot
    assert frames_of(place_of(f"{address}@{reader.snapshot}")) == [1, 2, 3]
    assert frames_of(place_of(f"{address}@{writer.snapshot}")) == [8, 2, 3]
    assert place_of(f"{address}@{reader.snapshot}").snapshot == reader.snapshot


def test_a_past_state_is_not_written_to(address: str) -> None:
    past = place_of(f"{address}@{place_of(address).snapshot}")
    assert past.exists()
    for act in (past.writing, past.tidy, lambda: past.locked().__enter__()):
        with pytest.raises(ValueError, match="for writing, found a past one"):
            act()


def test_a_state_that_never_was_is_refused(address: str) -> None:
    place = place_of(f"{address}@{'0' * 20}")
    with pytest.raises(ValueError, match=r"holds no such state; its last one is \w{20}"):
        place.exists()


def test_a_commit_by_someone_without_the_lock_stops_the_writer(address: str) -> None:
    place = place_of(address)
    write(place.writing(), 0, 8)
    other = place_of(address)
    write(other.writing(), 1, 9)
    other.save("one frame")
    with pytest.raises(BlockingIOError, match="another process committed to this repository"):
        place.save("one frame")
    assert frames_of(place_of(address)) == [1, 9, 3]


def test_what_a_cut_writer_left_is_tidied_away(address: str) -> None:
    place = place_of(address)
    before = place.objects()
    noise = np.random.default_rng(0).integers(0, 255, 5000, np.uint8)
    zarr.open_group(place.writing(), mode="r+").create_array("noise", data=noise)
    assert place.objects() > before
    place_of(address).tidy()
    assert place.objects() == before
    assert frames_of(place) == [1, 2, 3]


def test_a_damaged_repository_is_one_sentence(address: str) -> None:
    path = Path(address.removeprefix("icechunk:"))
    shutil.rmtree(path / "snapshots")
    with pytest.raises(OSError, match="expected a readable and writable Icechunk repository"):
        place_of(address).exists()


def test_a_commit_stays_small_however_many_frames_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cost_of_a_commit(name: str) -> int:
        place = made(place_of(f"icechunk:{tmp_path}/{name}"), [1] * 1000)
        write(place.writing(), 999, 2)
        before = place.size_bytes()
        place.save("one frame")
        return place.size_bytes() - before

    in_one_list = cost_of_a_commit("long")
    monkeypatch.setattr("pipeline.places.icechunk.SLOTS_PER_MANIFEST", 100)
    assert cost_of_a_commit("split") < in_one_list / 3

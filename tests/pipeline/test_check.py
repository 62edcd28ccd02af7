from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_catalog.storms import Storms, write_storms
from pipeline.check import check_store
from pipeline.ingest import ingest
from pipeline.layout import LIVE_LEVEL, SETTLED_LEVEL, encode_frame
from pipeline.shards import index_bytes, join, split
from pipeline.store import Store


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_storms(tmp_path / "files", Storms(height=32, width=32, frames=6))


@pytest.fixture
def store(tmp_path: Path, files: list[Path]) -> Path:
    ingest(files, tmp_path / "s.zarr", product="storms")
    return tmp_path / "s.zarr"


def test_a_whole_store_is_left_as_it_is(store: Path) -> None:
    before = Store.open(store).status.tolist()
    report = check_store(store)
    assert report.sentence().endswith("6 frames, all whole")
    assert Store.open(store).status.tolist() == before


def shard_of(store: Path) -> Path:
    (shard,) = (file for file in (store / "reflectivity" / "c").rglob("0") if file.is_file())
    return shard


@pytest.mark.parametrize("level", [LIVE_LEVEL, SETTLED_LEVEL])
def test_a_damaged_frame_is_marked_missing_and_ingested_again(
    store: Path, files: list[Path], level: int
) -> None:
    shard = shard_of(store)
    chunks = split(shard.read_bytes(), 20)
    chunks[2] = encode_frame(np.full((32, 32), 1000, np.int16), "C", level)
    chunks[3] = chunks[3][:-9]
    shard.write_bytes(join(chunks, 20))
    report = check_store(store)
    times = Store.open(store).times
    assert report.damaged == (times[2], times[3])
    assert report.repaired == ()
    assert "2 damaged and now marked missing; ingest their files again" in report.sentence()
    assert Store.open(store).observed.tolist() == [True, True, False, False, True, True]
    assert np.isnan(Store.open(store).dbz(2, 4)).all()
    ingest(files, store)
    assert check_store(store).damaged == ()
    assert Store.open(store).observed.all()


DAMAGES = {
    "cut in the index": (lambda shard: shard[:-100], 5),
    "cut in the last frame": (lambda shard: shard[: -index_bytes(20) - 1], 5),
    "a flipped byte in the index": (lambda shard: shard[:-9] + b"?" + shard[-8:], 6),
    "a flipped byte in a frame": (lambda shard: shard[:40] + b"?" + shard[41:], 5),
    "empty": (lambda shard: b"", 0),
    "nonsense": (lambda shard: bytes(len(shard)), 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whole_frames_are_saved_from_a_damaged_shard(
    store: Path, files: list[Path], damage: str
) -> None:
    before = Store.open(store).read(0, 6)
    harm, whole = DAMAGES[damage]
    shard_of(store).write_bytes(harm(shard_of(store).read_bytes()))
    report = check_store(store)
    assert len(report.damaged) == 6 - whole
    left = Store.open(store)
    assert left.observed.sum() == whole
    np.testing.assert_array_equal(left.read(0, 6)[left.observed], before[left.observed])
    assert check_store(store).sentence().endswith(f"{whole} frames, all whole")
    ingest(files, store)
    np.testing.assert_array_equal(Store.open(store).read(0, 6), before)


def test_a_frame_whose_file_is_gone_is_marked_missing(store: Path) -> None:
    shard_of(store).unlink()
    assert check_store(store).damaged == tuple(Store.open(store).times)

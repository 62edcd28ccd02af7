from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_catalog.storms import Storms, write_storms
from pipeline.check import check_store
from pipeline.ingest import ingest
from pipeline.layout import encode_frame
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


DAMAGES = {
    "cut short": lambda chunk: chunk[: len(chunk) // 2],
    "empty": lambda chunk: b"",
    "a flipped byte": lambda chunk: chunk[:40] + bytes([chunk[40] ^ 255]) + chunk[41:],
    "another frame": lambda chunk: encode_frame(np.full((32, 32), 1000, np.int16)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_frame_is_marked_missing_and_ingested_again(
    store: Path, files: list[Path], damage: str
) -> None:
    chunk = store / "reflectivity" / "c" / "2" / "0" / "0"
    chunk.write_bytes(DAMAGES[damage](chunk.read_bytes()))
    report = check_store(store)
    assert report.damaged == (Store.open(store).times[2],)
    assert "1 damaged and now marked missing; ingest their files again" in report.sentence()
    assert Store.open(store).observed.tolist() == [True, True, False, True, True, True]
    ingest(files, store)
    assert check_store(store).damaged == ()
    assert Store.open(store).observed.all()


def test_a_frame_whose_chunk_is_gone_is_marked_missing(store: Path) -> None:
    (store / "reflectivity" / "c" / "5" / "0" / "0").unlink()
    assert check_store(store).damaged == (Store.open(store).times[5],)

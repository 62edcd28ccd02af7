"""A tensor set against its store, which grows and changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import zarr
from tensor_samples import make_store, numbered, periods, put

from pipeline.changes import changed_frames
from pipeline.packing import MISSING
from pipeline.store import Store
from pipeline.tensor_plan import absolute
from pipeline.tensor_set import TensorSet
from pipeline.tensors import build_tensors


def test_newer_frames_do_not_outdate_a_set(tmp_path: Path) -> None:
    splits = {"train": periods((0, 29)), "test": periods((30, 45))}
    store = make_store(tmp_path / "store.zarr", numbered(50))
    tensors = build_tensors(store, tmp_path / "tensors", splits=splits)
    inode = (tensors.path / "frames.npy").stat().st_ino
    grown = put(store, dict.fromkeys(range(50, 90), 20.0))
    assert changed_frames(tensors, grown) == 0
    assert build_tensors(grown, tensors.path, splits=splits).manifest == tensors.manifest
    assert (tensors.path / "frames.npy").stat().st_ino == inode


@pytest.mark.parametrize("change", ["revised", "late", "cleared", "two", "older"])
def test_changes_within_the_period_are_counted_and_built_anew(tmp_path: Path, change: str) -> None:
    splits = {"train": periods((2, 29)), "test": periods((30, 45))}
    store = make_store(tmp_path / "store.zarr", numbered(50), lost=(0, 20))
    tensors = build_tensors(store, tmp_path / "tensors", splits=splits)
    if change == "cleared":
        zarr.open_group(store.address, mode="r+", use_consolidated=False)["status"][10] = 0
        store = Store.open(store.address)
    else:
        slots = {"revised": [12], "late": [20], "two": [12, 40], "older": [-500, 0, 1]}[change]
        store = put(store, dict.fromkeys(slots, 12.0))
    expected = {"two": 2, "older": 0}.get(change, 1)
    assert changed_frames(tensors, store) == expected
    again = build_tensors(store, tensors.path, splits=splits)
    assert changed_frames(again, store) == 0
    assert (again.manifest.store_fingerprint == tensors.manifest.store_fingerprint) == (
        expected == 0
    )


def test_every_frame_of_a_set_changed_where_its_store_is_another(tmp_path: Path) -> None:
    tensors = build_tensors(make_store(tmp_path / "store.zarr", numbered(50)), tmp_path / "t")
    other = make_store(tmp_path / "other.zarr", numbered(50), product="other")
    assert changed_frames(tensors, other) == 50
    small = make_store(tmp_path / "small.zarr", numbered(9))
    assert changed_frames(tensors, small) == 50 - 9


def test_a_set_whose_store_moved_names_its_new_address(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    tensors = build_tensors(store, tmp_path / "tensors")
    inode = (tensors.path / "frames.npy").stat().st_ino
    Path(store.address).rename(tmp_path / "moved.zarr")
    build_tensors(Store.open(tmp_path / "moved.zarr"), tensors.path)
    assert TensorSet.open(tensors.path).manifest.store == str(tmp_path / "moved.zarr")
    assert (tensors.path / "frames.npy").stat().st_ino == inode


def test_an_icechunk_store_is_named_with_its_snapshot(tmp_path: Path) -> None:
    pytest.importorskip("icechunk")
    address = f"icechunk:{tmp_path / 'store'}"
    store = make_store(address, numbered(50))
    tensors = build_tensors(store, tmp_path / "tensors")
    assert tensors.manifest.store_snapshot == store.snapshot is not None
    assert tensors.manifest.provenance()["store_snapshot"] == store.snapshot
    assert changed_frames(tensors, Store.open(tensors.manifest.store)) == 0
    assert (tensors.frames != MISSING).all()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a.zarr", "{cwd}/a.zarr"),
        ("/data/a.zarr", "/data/a.zarr"),
        ("icechunk:a", "icechunk:{cwd}/a"),
        ("icechunk:/data/a@ABC", "icechunk:/data/a@ABC"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ],
)
def test_a_set_names_its_store_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(address) == expected.format(cwd=tmp_path)

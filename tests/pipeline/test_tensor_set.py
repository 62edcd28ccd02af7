"""A tensor set that is not whole is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tensor_samples import make_store, numbered

from pipeline.tensor_set import TensorSet
from pipeline.tensors import build_tensors


def test_another_version_is_refused(tmp_path: Path) -> None:
    build_tensors(make_store(tmp_path / "store.zarr", numbered(40)), tmp_path / "tensors")
    manifest = tmp_path / "tensors" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 7}))
    with pytest.raises(ValueError, match="expected a tensor set of version 2, found 7; build it"):
        TensorSet.open(tmp_path / "tensors")


def test_a_folder_without_a_set_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no tensor set here; make one with `nowcast"):
        TensorSet.open(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "frames.npy", "windows.npz", "wetness.npy", "seen.npy", "contents.npy"],
)
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "garbled"])
def test_a_damaged_set_is_refused_in_one_sentence(tmp_path: Path, name: str, damage: str) -> None:
    build_tensors(make_store(tmp_path / "store.zarr", numbered(40)), tmp_path / "tensors")
    path = tmp_path / "tensors" / name
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b""}.get(damage, b"?" * 99))
    kinds = (ValueError, FileNotFoundError) if name == "manifest.json" else ValueError
    with pytest.raises(kinds, match=r"tensors.*(build|make)") as caught:
        TensorSet.open(tmp_path / "tensors")
    assert "\n" not in str(caught.value)


def test_frames_of_another_set_are_refused(tmp_path: Path) -> None:
    build_tensors(make_store(tmp_path / "store.zarr", numbered(40)), tmp_path / "tensors")
    np.save(tmp_path / "tensors" / "frames.npy", np.zeros((3, 24, 30), np.int16))
    with pytest.raises(ValueError, match=r"expected frames \(.*found \(3, 24, 30\)"):
        TensorSet.open(tmp_path / "tensors")

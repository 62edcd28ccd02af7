from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_catalog.storms import Storms, write_storms
from pipeline.check import check_store
from pipeline.ingest import ingest
from pipeline.store import Store

Remount = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Remount]]:
    """A small disk of its own, and how to give it other options; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if not mount:
        pytest.skip("no mount command")

    def mounted(options: str) -> bool:
        command = [mount, "-t", "tmpfs", "-o", options, "nowcast-test", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if not mounted("size=500k"):
        pytest.skip("this user may not mount a disk")

    def remount(options: str) -> None:
        assert mounted(f"remount,{options}")

    yield folder, remount
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_storms(tmp_path / "files", Storms(height=128, width=128, frames=60))


def ingest_in_tens(files: list[Path], store: Path, reported: list[Path]) -> None:
    for first in range(0, len(files), 10):
        some = files[first : first + 10]
        assert ingest(some, store, product="storms").refused == []
        reported.extend(some)


def test_a_full_disk_loses_nothing_that_was_reported(
    disk: tuple[Path, Remount], files: list[Path]
) -> None:
    folder, remount = disk
    store = folder / "s.zarr"
    reported: list[Path] = []
    with pytest.raises(OSError, match="No space left on device"):
        ingest_in_tens(files, store, reported)
    assert 0 < len(reported) < 60
    sources = Store.open(store).column("source")[Store.open(store).observed]
    assert {path.name for path in reported} <= set(sources.tolist())
    remount("size=50m")
    assert check_store(store).damaged == ()
    ingest(files, store)
    assert Store.open(store).observed.sum() == 60
    assert check_store(store).damaged == ()


def test_a_read_only_disk_is_named_and_can_be_read(
    disk: tuple[Path, Remount], files: list[Path]
) -> None:
    folder, remount = disk
    store = folder / "s.zarr"
    ingest(files[:5], store, product="storms")
    remount("ro")
    with pytest.raises(OSError, match=r"s\.zarr: expected .* Read-only file system"):
        ingest(files[5:10], store)
    assert Store.open(store).observed.sum() == 5
    assert (Store.open(store).dbz(0, 5) >= -32).any()
    remount("rw")
    ingest(files[:10], store)
    assert Store.open(store).observed.sum() == 10

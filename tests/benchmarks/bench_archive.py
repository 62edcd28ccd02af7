"""What a store costs at one day, one month, one year and three years of slots.

The archives are sparse: every slot is marked observed, frames are written where they are read.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from pyproj import CRS

from pipeline.axis import append
from pipeline.compact import compact
from pipeline.frames import Grid
from pipeline.ingest import ingest
from pipeline.layout import array_of
from pipeline.packed_frame import PackedFrame
from pipeline.places import place_of
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.summary import summarise
from pipeline.windows import WindowRule, find_windows
from pipeline.writer import StoreWriter

FIRST = np.datetime64("2023-01-01T00:00", "ns")
CADENCE = np.timedelta64(5, "m")
SLOTS = {"1 day": 288, "1 month": 8_640, "1 year": 105_120, "3 years": 315_360}
ROUNDS = 15
FLAT = 1.5


def rainy(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Blocky rain on a third of the pixels, about as compressible as a real frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0] // 8, shape[1] // 8))
    dbz = np.kron(np.where(coarse > 0.66, 50 * coarse, NO_ECHO), np.ones((8, 8)))
    dbz[dbz > 0] += rng.integers(-8, 8, np.count_nonzero(dbz > 0)) / 2
    return dbz.astype(np.float32)


def make_archive(path: Path, slots: int, shape: tuple[int, int] = (512, 512)) -> Path:
    """A store of so many observed slots; the frames of the last day are there."""
    grid = Grid.from_corner(shape, 0, 0, (1000, 1000), CRS.from_epsg(3067))
    store = Store.create(path, grid, ZR(200, 1.6), product="sparse", cadence=CADENCE)
    objects = place_of(path).writing()
    append(objects, store, slots, FIRST)
    group = zarr.open_group(objects, mode="r+", use_consolidated=False)
    array_of(group, "status")[:] = 1
    array_of(group, "content_hash")[:] = np.array([f"{k:032x}" for k in range(slots)])
    array_of(group, "source")[:] = np.array([f"radar_{k:08d}.h5" for k in range(slots)])
    with StoreWriter(path) as writer:
        writer.fill([frame(k, shape) for k in range(slots - 288, slots)])
    return path


def frame(k: int, shape: tuple[int, int]) -> PackedFrame:
    return PackedFrame.of(rainy(k, shape), FIRST + k * CADENCE, f"{k}.h5", ZR(200, 1.6))


def median_ms(action: Callable[[int], object], rounds: int = ROUNDS) -> float:
    seconds = []
    for k in range(rounds):
        began = time.perf_counter()
        action(k)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def costs(path: Path, slots: int) -> dict[str, float]:
    """Milliseconds of each thing that is done to a store."""
    frames = [frame(slots + k, (512, 512)) for k in range(ROUNDS)]

    def append_one(k: int) -> None:
        with StoreWriter(path) as writer:
            assert writer.fill([frames[k]]) == ["observed"]

    def windows(_: int) -> None:
        assert find_windows(Store.open(path).observed, WindowRule()).size > slots - 10

    return {
        "append": median_ms(append_one),
        "open": median_ms(lambda _: Store.open(path).newest()),
        "info": median_ms(lambda _: summarise(Store.open(path)), 3),
        "windows": median_ms(windows, 3),
    }


def test_the_cost_of_an_append_and_of_opening_does_not_grow(tmp_path: Path) -> None:
    table = {}
    for name, slots in SLOTS.items():
        table[name] = costs(make_archive(tmp_path / f"{slots}.zarr", slots), slots)
        row = ", ".join(f"{what} {ms:.1f} ms" for what, ms in table[name].items())
        sys.stdout.write(f"\n{name} ({slots} slots): {row}")
    sys.stdout.write("\n")
    for what in ("append", "open"):
        assert table["3 years"][what] <= FLAT * table["1 day"][what]


@pytest.mark.parametrize("shape", [(512, 512)])
def test_windows_are_read_from_the_live_and_the_settled_part(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    live = make_archive(tmp_path / "live.zarr", 288, shape)
    settled = tmp_path / "settled.zarr"
    shutil.copytree(live, settled)
    report = compact(settled, np.timedelta64(0, "h"))
    starts = np.random.default_rng(0).integers(0, 264, 200)
    milliseconds = {}
    for name, path in (("live", live), ("settled", settled)):
        store = Store.open(path)
        milliseconds[name] = median_ms(
            lambda k, store=store: store.read(int(starts[k]), int(starts[k]) + 5), starts.size
        )
    sys.stdout.write(
        f"\nfive whole frames of {shape}: live {milliseconds['live']:.1f} ms, settled "
        f"{milliseconds['settled']:.1f} ms; {report.sentence()}"
    )
    assert milliseconds["settled"] <= 2 * milliseconds["live"]


EVENTS = (
    "fmi_pgm/20160928",
    "knmi_hdf5/20100826",
    "mch_gif/20150515",
    "bom_netcdf/melbourne_20180616",
)


@pytest.mark.parametrize("event", EVENTS)
def test_settled_frames_take_no_more_than_their_source_files(
    tmp_path: Path, data_dir: Path, event: str
) -> None:
    files = sorted(path for path in (data_dir / "radar" / event).iterdir() if path.is_file())
    report = ingest(files, tmp_path / "s.zarr")
    refused = {refusal.path for refusal in report.refused}
    kept = [path for path in files if path not in refused]
    frames = int(Store.open(tmp_path / "s.zarr").observed.sum())
    source = sum(path.stat().st_size for path in kept) / frames
    live = bytes_of_frames(tmp_path / "s.zarr") / frames
    rest = Store.open(tmp_path / "s.zarr").size_bytes() - live * frames
    compact(tmp_path / "s.zarr", np.timedelta64(-4, "h"))
    settled = bytes_of_frames(tmp_path / "s.zarr") / frames
    sys.stdout.write(
        f"\n{event}: {frames} frames, kB a frame: source {source / 1e3:.1f}, live "
        f"{live / 1e3:.1f}, settled {settled / 1e3:.1f}; places and columns {rest / 1e3:.0f} kB\n"
    )
    assert settled <= source


def bytes_of_frames(store: Path) -> int:
    return sum(
        file.stat().st_size for file in (store / "reflectivity").rglob("*") if file.is_file()
    )

"""A tensor set of 1536 frames of 512², against a plain loop that copies what the store reads.

Each runs in a process of its own: its peak memory is what the system says of that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS
from pytest_benchmark.fixture import BenchmarkFixture

from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.tensors import build_tensors
from pipeline.writer import StoreWriter

FRAMES, SIDE, PER_READ = 1536, 512, 24
CADENCE = np.timedelta64(5, "m")
FIRST = np.datetime64("2026-06-01T00:00", "ns")
# beyond the copy, each frame is weighed by block and checked against its hash
ROUNDS, MOST_RATIO, MOST_MEGABYTES = 3, 2.0, 500


def shower(number: int) -> np.ndarray:
    """Sparse rain: 12 noisy cells that move, on a dry field."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    dbz = np.full((SIDE, SIDE), NO_ECHO, np.float32)
    for row, column in np.random.default_rng(number // 48).uniform(0, SIDE, (12, 2)):
        away = (y - row) ** 2 + (x - (column + 2 * number) % SIDE) ** 2
        cell = 45 - away / 40 + rng.normal(0, 2, away.shape)
        np.maximum(dbz, cell, out=dbz, where=away < 1300)
    return dbz


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensors") / "store.zarr"
    grid = Grid.from_corner((SIDE, SIDE), 0, 0, (1000, 1000), CRS.from_epsg(3067))
    zr = ZR(200, 1.6)
    Store.create(path, grid, zr, product="made_up", cadence=CADENCE)
    cells = [shower(t) for t in range(96)]
    with StoreWriter(path) as writer:
        for start in range(0, FRAMES, 96):
            times = [FIRST + (start + t) * CADENCE for t in range(96)]
            writer.fill(
                [
                    PackedFrame.of(np.roll(dbz, start), valid_time, "made.nc", zr)
                    for dbz, valid_time in zip(cells, times, strict=True)
                ]
            )
    return path


def build(path: Path, out: Path) -> None:
    assert build_tensors(Store.open(path), out).manifest.frames > 0.9 * FRAMES


def copy(path: Path, out: Path) -> None:
    store = Store.open(path)
    frames = np.lib.format.open_memmap(out, "w+", np.int16, (FRAMES, SIDE, SIDE))
    for start in range(0, FRAMES, PER_READ):
        frames[start : start + PER_READ] = store.read(start, start + PER_READ)
    frames.flush()


def measured(name: str, path: Path, out: Path) -> dict[str, float]:
    """Seconds and peak memory of one of the two in a process of its own."""
    command = [sys.executable, __file__, name, str(path), str(out)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    shown = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    figures: dict[str, float] = json.loads(shown)
    return figures


def test_a_set_is_built_nearly_as_fast_as_copied_and_in_bounded_memory(
    benchmark: BenchmarkFixture, tmp_path: Path, store: Path
) -> None:
    outs = [tmp_path / f"set{n}" for n in range(ROUNDS)]
    copied, built = [], []
    for out in outs:
        copied.append(measured("copy", store, tmp_path / "copy.npy"))
        built.append(measured("build", store, out))
    benchmark.pedantic(lambda: build(store, outs[0]), rounds=3)
    seconds = [min(run["seconds"] for run in runs) for runs in (built, copied)]
    megabytes = [max(run["megabytes"] for run in runs) for runs in (built, copied)]
    figures = {
        "build_seconds": seconds[0],
        "copy_seconds": seconds[1],
        "imports_megabytes": max(run["imports"] for run in built),
        "build_megabytes": megabytes[0],
        "copy_megabytes": megabytes[1],
        "set_megabytes": FRAMES * SIDE * SIDE * 2 / 2**20,
        "current_set_seconds": benchmark.stats.stats.median,
    }
    benchmark.extra_info.update(figures)
    print(f"\n{figures}")  # noqa: T201
    assert seconds[0] <= MOST_RATIO * seconds[1]
    assert megabytes[0] <= MOST_MEGABYTES


def _peak_megabytes() -> float:
    """Of this process alone; getrusage would count the one that started it, too."""
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024


if __name__ == "__main__":
    before, began = _peak_megabytes(), time.perf_counter()
    {"build": build, "copy": copy}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    took = time.perf_counter() - began
    figures = {"seconds": took, "megabytes": _peak_megabytes(), "imports": before}
    sys.stdout.write(json.dumps(figures))

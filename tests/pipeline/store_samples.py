"""Small stores with known frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.packing import pack
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.writer import StoreWriter

MARSHALL_PALMER = ZR(200, 1.6)
FIRST = np.datetime64("2020-01-01T00:00", "ns")
FIVE_MINUTES = np.timedelta64(5, "m")


def dbz_of(k: int, grid: Grid, seed: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(k % 1000 if seed is None else seed)
    dbz = np.where(rng.random(grid.shape) < 0.7, NO_ECHO, rng.uniform(0, 50, grid.shape))
    dbz[:5] = np.nan
    return dbz.astype(np.float32)


def pixels(k: int, grid: Grid, seed: int | None = None) -> np.ndarray:
    return pack(dbz_of(k, grid, seed))


def frame(k: int, grid: Grid, seed: int | None = None) -> PackedFrame:
    valid_time = FIRST + k * FIVE_MINUTES
    return PackedFrame.of(dbz_of(k, grid, seed), valid_time, f"{k}.nc", MARSHALL_PALMER)


def new_store(path: Path, grid: Grid) -> Path:
    Store.create(path, grid, MARSHALL_PALMER, product="test", cadence=FIVE_MINUTES)
    return path


def fill(path: Path, grid: Grid, ks: Sequence[int]) -> list[str]:
    with StoreWriter(path) as writer:
        return list(writer.fill([frame(k, grid) for k in ks]))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

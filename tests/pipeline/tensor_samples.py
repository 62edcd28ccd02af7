"""Small stores for the tests of windows, tensor sets and the loader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyproj import CRS

from pipeline.frames import Grid
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.writer import PackedFrame, StoreWriter

FIRST = np.datetime64("2026-06-01T00:00", "ns")
CADENCE = np.timedelta64(360, "s")


def make_store(
    path: Path, dbz: np.ndarray, lost: Sequence[int] = (), *, product: str = "made_up"
) -> Store:
    """A store of frames (N, H, W), one a slot, without those that were lost."""
    grid = Grid.from_corner(dbz.shape[1:], 0, 0, (1000, 1000), CRS.from_epsg(3067))
    store = Store.create(path, grid, ZR(200, 1.6), product=product, cadence=CADENCE)
    frames = [
        PackedFrame.of(frame, FIRST + t * CADENCE, f"{t}.nc", store.zr)
        for t, frame in enumerate(dbz)
        if t not in lost
    ]
    with StoreWriter(path) as writer:
        writer.fill(frames)
    return Store.open(path)


def numbered(count: int, height: int = 24, width: int = 30) -> np.ndarray:
    """(N, H, W) frames in which every value tells its frame, row and column."""
    t, y, x = np.indices((count, height, width))
    return (0.5 * t + 0.01 * ((7 * y + 11 * x) % 50)).astype(np.float32)


def half_wet(count: int, height: int = 96, width: int = 96) -> np.ndarray:
    """(N, H, W) frames that are dry but for 40 dBZ in the western third."""
    dbz = np.full((count, height, width), NO_ECHO, np.float32)
    dbz[:, :, : width // 3] = 40
    return dbz

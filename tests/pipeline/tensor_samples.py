"""Small stores for the tests of windows, tensor sets and the loader."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from pyproj import CRS

from data_catalog.product import Period
from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.places import Address
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.writer import StoreWriter

FIRST = np.datetime64("2026-06-01T00:00", "ns")
CADENCE = np.timedelta64(360, "s")


def make_store(
    address: Address, dbz: np.ndarray, lost: Sequence[int] = (), *, product: str = "made_up"
) -> Store:
    """A store of frames (N, H, W), one a slot, without those that were lost."""
    grid = Grid.from_corner(dbz.shape[1:], 0, 0, (1000, 1000), CRS.from_epsg(3067))
    store = Store.create(address, grid, ZR(200, 1.6), product=product, cadence=CADENCE)
    frames = [
        PackedFrame.of(frame, FIRST + t * CADENCE, f"{t}.nc", store.zr)
        for t, frame in enumerate(dbz)
        if t not in lost
    ]
    with StoreWriter(address) as writer:
        writer.fill(frames)
    return Store.open(address)


def numbered(count: int, height: int = 24, width: int = 30) -> np.ndarray:
    """(N, H, W) frames in which every value tells its frame, row and column."""
    t, y, x = np.indices((count, height, width))
    return (0.5 * t + 0.01 * ((7 * y + 11 * x) % 50)).astype(np.float32)


def half_wet(count: int, height: int = 96, width: int = 96) -> np.ndarray:
    """(N, H, W) frames that are dry but for 40 dBZ in the western third."""
    dbz = np.full((count, height, width), NO_ECHO, np.float32)
    dbz[:, :, : width // 3] = 40
    return dbz


def periods(*bounds: tuple[int, int]) -> tuple[Period, ...]:
    """Periods from first to last slot of `make_store`."""
    start, cadence = datetime(2026, 6, 1), timedelta(minutes=6)
    return tuple(
        Period(start=start + first * cadence, end=start + last * cadence) for first, last in bounds
    )


def put(store: Store, numbers: dict[int, float]) -> Store:
    """The store with further frames: slot -> dBZ everywhere."""
    shape = store.grid.shape
    with StoreWriter(store.address) as writer:
        writer.fill(
            [
                PackedFrame.of(
                    np.full(shape, dbz, np.float32), FIRST + t * CADENCE, "new.nc", store.zr
                )
                for t, dbz in numbers.items()
            ]
        )
    return Store.open(store.address)

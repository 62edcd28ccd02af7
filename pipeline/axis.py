"""The time axis of a store grows at both ends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from pipeline.layout import PER_SLOT, array_of, publish, resize
from pipeline.lock import swap
from pipeline.store import Store

SECOND = np.timedelta64(1, "s")


def append(group: zarr.Group, store: Store, slots: int, first: np.datetime64) -> None:
    """Put missing slots behind the last; readers see them once all arrays have them.

    Args:
        group: The store's arrays, opened for writing; a cut run may have left some too long.
        store: The same as readers see it.
        slots: How many to add.
        first: The first slot's time, which an empty store gets by this.
    """
    resize(group, len(store) + slots)
    _write_times(group, first, store.cadence, len(store))
    publish(store.path)


def prepend(store: Store, slots: int) -> None:
    """Put missing slots before the first, without writing any frame anew.

    A sibling of the store is made that links the same chunks under their new numbers, then the
    two change places.
    """
    path = store.path
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(path, new, copy_function=os.link, ignore=_leave_out_along_time(path))
    group = zarr.open_group(new, mode="r+", zarr_format=3, use_consolidated=False)
    resize(group, len(store) + slots)
    _write_times(group, store.times[0] - slots * store.cadence, store.cadence, 0)
    for name in PER_SLOT:
        if name != "time":
            array_of(group, name)[slots:] = store.column(name)
    for frame in (path / "reflectivity" / "c").glob("*"):
        shutil.copytree(
            frame,
            new / "reflectivity" / "c" / str(int(frame.name) + slots),
            copy_function=os.link,
        )
    publish(new)
    swap(path, new)


def _leave_out_along_time(path: Path) -> Any:
    along_time = {str(path / name) for name in (*PER_SLOT, "reflectivity")}
    return lambda folder, names: [n for n in names if folder in along_time and n == "c"]


def _write_times(
    group: zarr.Group, first: np.datetime64, cadence: np.timedelta64, known: int
) -> None:
    time = array_of(group, "time")
    seconds = (first - np.datetime64(0, "s")) // SECOND
    time[known:] = seconds + np.arange(known, time.shape[0]) * int(cadence // SECOND)

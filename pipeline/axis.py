"""The time axis of a store grows at both ends."""

from __future__ import annotations

import numpy as np
import zarr
from zarr.abc.store import Store as ZarrStore

from pipeline.frame_objects import FOLDER, renumber
from pipeline.layout import PER_SLOT, array_of, publish, resize
from pipeline.places import Place
from pipeline.store import Store

SECOND = np.timedelta64(1, "s")


def first_of_shard(valid_time: np.datetime64, store: Store) -> np.datetime64:
    """The first slot of the shard that would hold a time: shards begin at the same times of all
    stores of one cadence, so that the order in which frames come does not matter.
    """
    length = (store.shard or 1) * store.cadence
    since = valid_time - np.datetime64(0, "ns")
    phase = since % store.cadence
    return valid_time - (since - phase) % length


def append(objects: ZarrStore, store: Store, slots: int, first: np.datetime64) -> None:
    """Put missing slots behind the last; readers see them once all arrays have them.

    Args:
        objects: The store's objects, for writing; a cut run may have left some arrays too long.
        store: The same as readers see it.
        slots: How many to add.
        first: The first slot's time, which an empty store gets by this.
    """
    group = zarr.open_group(objects, mode="r+", zarr_format=3, use_consolidated=False)
    resize(group, len(store) + slots)
    _write_times(group, first, store.cadence, len(store))
    if store.shard:
        publish(objects)


def prepend(place: Place, store: Store, slots: int) -> None:
    """Put missing slots before the first: whole shards, so that no frame is written anew.

    Raises:
        ValueError: Where the place cannot give its objects other numbers.
    """
    shift = slots // (store.shard or 1)

    def moved(key: str) -> str | None:
        name, _, rest = key.partition("/")
        if name in PER_SLOT and rest.startswith("c/"):
            return None
        return renumber(key, shift) if key.startswith(FOLDER) else key

    with place.renumbered(moved) as objects:
        group = zarr.open_group(objects, mode="r+", zarr_format=3, use_consolidated=False)
        resize(group, len(store) + slots)
        _write_times(group, store.first - slots * store.cadence, store.cadence, 0)
        for name in PER_SLOT:
            if name != "time":
                array_of(group, name)[slots:] = store.column(name)
        if store.shard:
            publish(objects)


def _write_times(
    group: zarr.Group, first: np.datetime64, cadence: np.timedelta64, known: int
) -> None:
    time = array_of(group, "time")
    seconds = (first - np.datetime64(0, "s")) // SECOND
    time[known:] = seconds + np.arange(known, time.shape[0]) * int(cadence // SECOND)

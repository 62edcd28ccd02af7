"""Which frames of a store are others than they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.store import FILLED, Store
from pipeline.tensor_set import TensorSet
from pipeline.windows import as_datetime64

NO_FRAME = 0


def contents(store: Store, stretch: slice) -> NDArray[np.uint64]:
    """For each slot of a stretch a number that tells its frame, NO_FRAME where there is none."""
    filled = np.isin(store.column("status", stretch), FILLED)
    hashes = store.column("content_hash", stretch)
    numbers = [
        number_of(digits) if there else NO_FRAME
        for digits, there in zip(hashes, filled, strict=True)
    ]
    return np.array(numbers, np.uint64)


def number_of(content_hash: str) -> int:
    """The first 64 bits of a content hash."""
    return int(content_hash[:16], 16)


def changed_frames(tensors: TensorSet, store: Store) -> int:
    """How many frames in the set's period were revised, added or cleared since it was built.

    Frames beyond the period do not count. All frames did, where the store is another one.
    """
    manifest = tensors.manifest
    cadence = np.timedelta64(round(60 * manifest.cadence_minutes), "s")
    before = tensors.contents
    if (
        (store.product, store.grid.shape) != (manifest.product, (manifest.height, manifest.width))
        or store.cadence != cadence
        or not len(store)
    ):
        return int(np.count_nonzero(before != NO_FRAME))
    first, last = as_datetime64(manifest.period.start), as_datetime64(manifest.period.end)
    stretch = store.slots_between(first, last)
    if store.fingerprint(stretch) == manifest.store_fingerprint:
        return 0
    now = np.full(before.size, NO_FRAME, np.uint64)
    if stretch.stop > stretch.start:
        skipped = int((store.times[stretch.start] - first) // cadence)
        now[skipped : skipped + stretch.stop - stretch.start] = contents(store, stretch)
    return int(np.count_nonzero(now != before))

"""Is every frame of a store the one that was written?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.store import Store, clock
from pipeline.writer import StoreWriter, content_hash

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CheckReport:
    """What reading a whole store back found.

    Args:
        store: Where it is.
        frames: How many were read.
        damaged: Valid times whose pixels cannot be read or are not those that were stored.
    """

    store: Path
    frames: int
    damaged: tuple[np.datetime64, ...]

    def sentence(self) -> str:
        """What was found, for people."""
        if not self.damaged:
            return f"{self.store}: {self.frames} frames, all whole"
        times = ", ".join(map(clock, self.damaged))
        return (
            f"{self.store}: {self.frames} frames, {len(self.damaged)} damaged and now marked "
            f"missing; ingest their files again: {times}"
        )


def check_store(path: Path, progress: Progress | None = None) -> CheckReport:
    """Read every frame back, compare it with its content hash, and mark the damaged missing.

    Raises:
        BlockingIOError: If another process is writing to the store.
    """
    with StoreWriter(path) as writer:
        store = writer.store
        filled, hashes = np.flatnonzero(store.observed), store.content_hash
        damaged = []
        for done, slot in enumerate(filled, 1):
            if not _is_whole(store, int(slot), str(hashes[slot])):
                damaged.append(int(slot))
            if progress:
                progress(done, len(filled))
        writer.clear(damaged)
    return CheckReport(path, len(filled), tuple(store.times[damaged]))


def _is_whole(store: Store, slot: int, expected: str) -> bool:
    try:
        packed = store.read(slot, slot + 1)[0]
    except (RuntimeError, ValueError, OSError):
        return False
    return content_hash(packed) == expected

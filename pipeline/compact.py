"""The settled part of a store, compressed once more and for good."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.layout import SETTLED_LEVEL, decode_frame, encode_frame
from pipeline.packed_frame import content_hash
from pipeline.places import Address
from pipeline.store import FILLED, Store
from pipeline.writer import StoreWriter

Progress = Callable[[int, int], None]
SETTLING = np.timedelta64(24, "h")


@dataclass(frozen=True)
class CompactReport:
    """What compressing the settled frames of a store did.

    Args:
        store: Where it is.
        frames: How many were compressed anew.
        bytes_before: Of their chunks.
        bytes_after: Of their chunks.
        damaged: How many could not be read and were left for `check`.
    """

    store: str
    frames: int
    bytes_before: int
    bytes_after: int
    damaged: int

    def sentence(self) -> str:
        """What was done, for people."""
        if not self.frames and not self.damaged:
            return f"{self.store}: nothing new has settled"
        text = (
            f"{self.store}: {self.frames} frames settled, {self.bytes_before / 1e6:.1f} MB became "
            f"{self.bytes_after / 1e6:.1f} MB"
        )
        if self.damaged:
            text += f"; {self.damaged} are damaged, run `nowcast check {self.store}`"
        return text


def compact(
    address: Address,
    settling: np.timedelta64 = SETTLING,
    progress: Progress | None = None,
) -> CompactReport:
    """Compress the frames of every shard that ended `settling` before the newest frame.

    Pixels, status and hashes stay as they are; each shard is replaced at once and whole, so that
    a kill at any instant leaves a whole store, and the next call goes on.

    Raises:
        ValueError: If the store keeps every version of an object: nothing would be saved.
        BlockingIOError: If another process is writing to the store.
    """
    with StoreWriter(address) as writer:
        shard = writer.store.shard
        if shard is None:
            raise ValueError(
                f"{address}: expected a store in a folder or on an object store; this kind keeps "
                "every version, so that compressing anew would only add to it"
            )
        writer.place.tidy()
        due = _due(writer.store, shard, settling)
        before, after, frames, damaged = 0, 0, 0, 0
        for done, slots in enumerate(due, 1):
            old = writer.frames.chunks(writer.frames.number(int(slots[0])))
            new = _compressed(writer.store, old, slots)
            writer.settle(new)
            before += sum(len(old[slot]) for slot in new)
            after += sum(map(len, new.values()))
            frames, damaged = frames + len(new), damaged + len(slots) - len(new)
            if progress:
                progress(done, len(due))
    return CompactReport(str(address), frames, before, after, damaged)


def _due(store: Store, shard: int, settling: np.timedelta64) -> list[NDArray[np.int64]]:
    """The live slots of each settled shard that has any."""
    newest = store.newest()
    if newest is None:
        return []
    last = int(np.searchsorted(store.times, newest - settling))
    stretch = slice(0, last // shard * shard)
    filled = np.isin(store.column("status", stretch), FILLED)
    live = np.flatnonzero(filled & (store.column("settled", stretch) == 0))
    return np.split(live, np.flatnonzero(np.diff(live // shard)) + 1) if live.size else []


def _compressed(
    store: Store, chunks: dict[int, bytes], slots: NDArray[np.int64]
) -> dict[int, bytes]:
    """The chunks of whole frames, compressed for the archive; damaged ones are left out."""
    hashes = store.column("content_hash", slice(int(slots[0]), int(slots[-1]) + 1))

    def attempts() -> Iterator[tuple[int, str]]:
        for slot in slots:
            if int(slot) in chunks:
                yield int(slot), str(hashes[slot - slots[0]])

    def settle(attempt: tuple[int, str]) -> tuple[int, bytes] | None:
        slot, expected = attempt
        try:
            packed = decode_frame(chunks[slot], store.grid.shape, store.order)
        except (RuntimeError, ValueError):
            return None
        if content_hash(packed) != expected:
            return None
        return slot, encode_frame(packed, store.order, SETTLED_LEVEL)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(filter(None, pool.map(settle, attempts())))

"""Is every frame of a store the one that was written?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.clock import clock
from pipeline.layout import decode_frame
from pipeline.packed_frame import content_hash
from pipeline.places import Address
from pipeline.store import FILLED, Store
from pipeline.writer import StoreWriter

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CheckReport:
    """What reading a whole store back found.

    Args:
        store: Where it is.
        frames: How many were read.
        repaired: Valid times whose frames were found whole in a damaged file.
        damaged: Valid times whose pixels cannot be read or are not those that were stored.
    """

    store: str
    frames: int
    repaired: tuple[np.datetime64, ...]
    damaged: tuple[np.datetime64, ...]

    def sentence(self) -> str:
        """What was found, for people."""
        text = f"{self.store}: {self.frames} frames, "
        if not self.repaired and not self.damaged:
            return text + "all whole"
        if self.repaired:
            text += f"{len(self.repaired)} saved from damaged files"
        if self.damaged:
            times = ", ".join(map(clock, self.damaged))
            text += ", " * bool(self.repaired) + (
                f"{len(self.damaged)} damaged and now marked missing; ingest their files again: "
                f"{times}"
            )
        return text


def check_store(address: Address, progress: Progress | None = None) -> CheckReport:
    """Read every frame back, compare it with its content hash, and repair what can be.

    A frame that a damaged file still holds whole is put back; others are marked missing.

    Raises:
        BlockingIOError: If another process is writing to the store.
    """
    with StoreWriter(address) as writer:
        writer.place.tidy()
        store = writer.store
        filled = np.flatnonzero(np.isin(store.status, FILLED))
        repaired: list[int] = []
        damaged: list[int] = []
        objects = filled // (store.shard or 1)
        parts = np.split(filled, np.flatnonzero(np.diff(objects)) + 1) if filled.size else []
        done = 0
        for slots in parts:
            saved, lost = _check_object(writer, slots.tolist())
            repaired, damaged, done = repaired + saved, damaged + lost, done + len(slots)
            if progress:
                progress(done, len(filled))
        times = store.times
    return CheckReport(str(address), len(filled), tuple(times[repaired]), tuple(times[damaged]))


def _check_object(writer: StoreWriter, slots: list[int]) -> tuple[list[int], list[int]]:
    """The slots of one object whose frames were saved, and those whose frames are lost."""
    store, number = writer.store, writer.frames.number(slots[0])
    hashes = store.column("content_hash", slice(slots[0], slots[-1] + 1))
    expected = {slot: str(hashes[slot - slots[0]]) for slot in slots}
    chunks = writer.frames.chunks(number)
    whole = {
        slot: chunks[slot] for slot in slots if _hash_of(chunks.get(slot), store) == expected[slot]
    }
    if len(whole) == len(slots):
        return [], []
    found = _by_hash([*chunks.values(), *writer.frames.fragments(number)], store)
    missed = [slot for slot in slots if slot not in whole]
    saved = {slot: found[expected[slot]] for slot in missed if expected[slot] in found}
    lost = [slot for slot in missed if slot not in saved]
    writer.repair(number, whole | saved, lost)
    return list(saved), lost


def _by_hash(chunks: Iterable[bytes], store: Store) -> dict[str, bytes]:
    hashed = ((_hash_of(chunk, store), chunk) for chunk in chunks)
    return {found: chunk for found, chunk in hashed if found is not None}


def _hash_of(chunk: bytes | None, store: Store) -> str | None:
    """The content hash of a compressed frame; None if there is none to be read."""
    try:
        return content_hash(decode_frame(chunk or b"", store.grid.shape, store.order))
    except (RuntimeError, ValueError):
        return None

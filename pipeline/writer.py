"""The one process that may change a store: frames into slots, the data first, the status last."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.buffer import default_buffer_prototype

from pipeline.axis import append, prepend
from pipeline.layout import (
    STATUSES,
    array_of,
    encode_frame,
    frame_key,
)
from pipeline.lock import locked, undo_cut_swap
from pipeline.packing import pack
from pipeline.quality import Shares, implausible
from pipeline.reflectivity import ZR
from pipeline.store import FILLED, Store

Outcome = Literal["observed", "late", "revised", "unchanged", "refused"]


@dataclass(frozen=True, eq=False)
class PackedFrame:
    """One frame ready for its slot, as the chunk that the store will hold.

    Args:
        valid_time: UTC.
        chunk: int16 (H, W) in 0.01 dBZ, compressed.
        source: Name of the file that it came from.
        content_hash: SHA-256 of the packed pixels, the first 32 hexadecimal digits.
        shares: How much of it was observed and wet.
        implausible: Why it cannot be weather, or None.
    """

    valid_time: np.datetime64
    chunk: bytes
    source: str
    content_hash: str
    shares: Shares
    implausible: str | None

    @classmethod
    def of(cls, dbz: NDArray[np.float32], valid_time: np.datetime64, source: str, zr: ZR) -> Self:
        """Pack one frame (H, W) in dBZ and look at what it holds."""
        packed = np.ascontiguousarray(pack(dbz))
        return cls(
            valid_time,
            encode_frame(packed),
            source,
            content_hash(packed),
            Shares.of(packed, zr),
            implausible(packed),
        )


def content_hash(packed: NDArray[np.int16]) -> str:
    """SHA-256 of packed pixels, the first 32 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(packed).data).hexdigest()[:32]


class StoreWriter:
    """Fills slots of a store; a context manager that holds the store's lock.

    `replaced` holds the content hash that each revised frame had before, by valid time.

    Args:
        path: The store.
        create: Makes the store if there is none; called under the lock.

    Raises:
        BlockingIOError: On entry, if another writer is at work.
    """

    def __init__(self, path: Path, create: Callable[[], object] | None = None) -> None:
        self.path, self._create = path, create
        self.replaced: dict[np.datetime64, str] = {}
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(locked(self.path))
            undo_cut_swap(self.path)
            if self._create and not self.path.exists():
                self._create()
            self._reopen()
            self._held = held.pop_all()
        filled = np.flatnonzero(self.store.observed)
        self._newest_before = self.store.times[filled[-1]] if filled.size else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def _reopen(self) -> None:
        self.store = Store.open(self.path)
        self._group = zarr.open_group(self.path, mode="r+", zarr_format=3, use_consolidated=False)

    def fill(self, frames: Sequence[PackedFrame]) -> list[Outcome]:
        """Put frames into their slots.

        Args:
            frames: Frames on the store's grid and raster of times, one a slot.

        Returns:
            For each frame what became of it: "unchanged" where its slot held the same pixels,
            "late" where the store knew a newer frame before this writer began, "refused" where
            it cannot be weather.

        Raises:
            ValueError: If a frame's time falls between two slots; nothing is written then.
        """
        slots = self._cover([frame.valid_time for frame in frames])
        stretch = slice(min(slots), max(slots) + 1)
        status = dict(enumerate(self.store.column("status", stretch), stretch.start))
        hashes = dict(enumerate(self.store.column("content_hash", stretch), stretch.start))
        outcomes: list[Outcome] = []
        for slot, frame in zip(slots, frames, strict=True):
            held = str(hashes[slot]) if status[slot] in FILLED else None
            outcomes.append(self._outcome(frame, held))
            if outcomes[-1] == "revised":
                self.replaced[frame.valid_time] = str(held)
        self._write(
            [
                (slot, frame, outcome)
                for slot, frame, outcome in zip(slots, frames, outcomes, strict=True)
                if outcome != "unchanged" and not (outcome == "refused" and status[slot])
            ]
        )
        return outcomes

    def clear(self, slots: Sequence[int]) -> None:
        """Mark slots missing, whatever their chunks hold."""
        self._set("status", slots, [0] * len(slots))

    def _outcome(self, frame: PackedFrame, held_hash: str | None) -> Outcome:
        if frame.implausible:
            return "refused"
        if held_hash is not None:
            return "unchanged" if frame.content_hash == held_hash else "revised"
        late = self._newest_before is not None and frame.valid_time < self._newest_before
        return "late" if late else "observed"

    def _write(self, changes: Sequence[tuple[int, PackedFrame, Outcome]]) -> None:
        filled = [(slot, frame) for slot, frame, outcome in changes if outcome != "refused"]
        slots = [slot for slot, _ in filled]
        asyncio.run(self._put({slot: frame.chunk for slot, frame in filled}))
        self._set("wet_share", slots, [frame.shares.wet for _, frame in filled])
        self._set("observed_share", slots, [frame.shares.observed for _, frame in filled])
        self._set("source", slots, [frame.source for _, frame in filled])
        self._set("content_hash", slots, [frame.content_hash for _, frame in filled])
        outcomes = [STATUSES.index(outcome) for _, _, outcome in changes]
        self._set("status", [slot for slot, _, _ in changes], outcomes)

    async def _put(self, chunks: Mapping[int, bytes]) -> None:
        store, make = self._group.store, default_buffer_prototype().buffer.from_bytes
        await asyncio.gather(
            *(store.set(frame_key(slot), make(chunk)) for slot, chunk in chunks.items())
        )

    def _set(self, name: str, slots: Sequence[int], values: Sequence[Any]) -> None:
        array = array_of(self._group, name)
        for first, last in _runs(slots):
            stretch = slice(slots[first], slots[last - 1] + 1)
            array[stretch] = np.asarray(values[first:last], array.dtype)

    def _cover(self, valid_times: Sequence[np.datetime64]) -> list[int]:
        """Extend the axis so that every time has its slot; the slots."""
        if not len(self.store):
            first, last = min(valid_times), max(valid_times)
            self._extend(first, 1 + int((last - first) // self.store.cadence))
        slots = [self.store.slot(time) for time in valid_times]
        before, after = -min(0, *slots), max(0, *slots) + 1 - len(self.store)
        if before:
            prepend(self.store, before)
            self._reopen()
        if after > 0:
            self._extend(self.store.times[0], after)
        return [slot + before for slot in slots]

    def _extend(self, first: np.datetime64, after: int) -> None:
        append(self._group, self.store, after, first)
        self._reopen()


def _runs(slots: Sequence[int]) -> list[tuple[int, int]]:
    """Where the consecutive stretches of a list of slots begin and end."""
    if not slots:
        return []
    breaks = [k for k in range(1, len(slots)) if slots[k] != slots[k - 1] + 1]
    return list(pairwise([0, *breaks, len(slots)]))

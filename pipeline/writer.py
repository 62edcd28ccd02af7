"""The one process that may change a store: frames into slots, the data first, the status last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import zarr
from zarr.abc.store import Store as ZarrStore

from pipeline.axis import append, first_of_shard, prepend
from pipeline.frame_objects import FrameObjects
from pipeline.layout import STATUSES, array_of
from pipeline.packed_frame import PackedFrame, content_hash
from pipeline.places import Address, place_of
from pipeline.revisions import Revision, forget_revisions, note_revisions, noted_revisions
from pipeline.store import FILLED, Store

Outcome = Literal["observed", "late", "revised", "unchanged", "refused"]
Change = tuple[int, PackedFrame, Outcome]


class StoreWriter:
    """Fills slots of a store; a context manager that holds the store's lock.

    `replaced` holds the content hash that each revised frame had before, by valid time.

    Args:
        address: The store.
        create: Makes the store if there is none; called under the lock.

    Raises:
        BlockingIOError: On entry, if another writer is at work.
    """

    def __init__(self, address: Address, create: Callable[[], object] | None = None) -> None:
        self.place, self._create = place_of(address), create
        self.replaced: dict[np.datetime64, str] = {}
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.place.locked())
            if self._create and not self.place.exists():
                self._create()
            Store.open(self.place.address)
            self._begin()
            self._heal()
            self._held = held.pop_all()
        self._newest_before = self.store.newest()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def _begin(self) -> None:
        self.objects: ZarrStore = self.place.writing()
        self._look()

    def _look(self) -> None:
        self._group = zarr.open_group(
            self.objects, mode="r+", zarr_format=3, use_consolidated=False
        )
        if self.place.atomic:
            self.store = Store(self.place, self._group)
        else:
            self.store = Store.open(self.place.address)
        self.frames = FrameObjects(self.objects, self.store.shard)

    def _save(self, message: str) -> None:
        self.place.save(message)
        if self.place.atomic:
            self._begin()

    def _heal(self) -> None:
        """Finish the revisions of a writer that was cut, where their pixels are there."""
        if self.place.atomic or not (noted := noted_revisions(self.objects)):
            return
        done = [revision for revision in noted if self._holds(revision.slot, revision.content_hash)]
        self._revise(done)
        forget_revisions(self.objects)

    def _holds(self, slot: int, expected: str) -> bool:
        try:
            return content_hash(self.store.read(slot, slot + 1)[0]) == expected
        except (RuntimeError, ValueError, IndexError):
            return False

    def fill(self, frames: Sequence[PackedFrame]) -> list[Outcome]:
        """Put frames into their slots.

        Args:
            frames: Frames on the store's grid and raster of times, one a slot, in any order of
                scan.

        Returns:
            For each frame what became of it: "unchanged" where its slot held the same pixels,
            "late" where the store knew a newer frame before this writer began, "refused" where
            it cannot be weather.

        Raises:
            ValueError: If a frame's time falls between two slots; nothing is written then.
        """
        slots = self._cover([frame.valid_time for frame in frames])
        stretch = slice(min(slots), max(slots) + 1)
        places = np.array(slots) - stretch.start
        status = self.store.column("status", stretch)[places]
        hashes = self.store.column("content_hash", stretch)[places]
        outcomes: list[Outcome] = []
        for frame, known, held in zip(frames, status, hashes, strict=True):
            outcomes.append(self._outcome(frame, str(held) if known in FILLED else None))
            if outcomes[-1] == "revised":
                self.replaced[frame.valid_time] = str(held)
        self._write(
            [
                (slot, frame, outcome)
                for slot, frame, outcome, known in zip(slots, frames, outcomes, status, strict=True)
                if outcome != "unchanged" and not (outcome == "refused" and known)
            ]
        )
        return outcomes

    def repair(self, number: int, chunks: Mapping[int, bytes], lost: Sequence[int]) -> None:
        """Let an object of frames hold just these chunks by slot, and mark lost slots missing."""
        self.frames.rewrite(number, chunks)
        self._set("status", lost, [STATUSES.index("missing")] * len(lost))
        self._save(f"{len(lost)} slots marked missing")

    def settle(self, chunks: Mapping[int, bytes]) -> None:
        """Replace the chunks of slots by others that hold the same pixels."""
        self.frames.put(chunks)
        self._set("settled", sorted(chunks), [1] * len(chunks))
        self._save(f"{len(chunks)} frames settled")

    def _outcome(self, frame: PackedFrame, held_hash: str | None) -> Outcome:
        if frame.implausible:
            return "refused"
        if held_hash is not None:
            return "unchanged" if frame.content_hash == held_hash else "revised"
        late = self._newest_before is not None and frame.valid_time < self._newest_before
        return "late" if late else "observed"

    def _write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        revisions = [
            Revision(
                slot, frame.content_hash, frame.source, frame.shares.wet, frame.shares.observed
            )
            for slot, frame, outcome in changes
            if outcome == "revised"
        ]
        if revisions and not self.place.atomic:
            note_revisions(self.objects, revisions)
        self._set("settled", [revision.slot for revision in revisions], [0] * len(revisions))
        filled = [(slot, frame) for slot, frame, outcome in changes if outcome != "refused"]
        order, shape = self.store.order, self.store.grid.shape
        self.frames.put({slot: frame.ordered(order, shape).chunk for slot, frame in filled})
        slots = [slot for slot, _ in filled]
        self._set("wet_share", slots, [frame.shares.wet for _, frame in filled])
        self._set("observed_share", slots, [frame.shares.observed for _, frame in filled])
        self._set("source", slots, [frame.source for _, frame in filled])
        self._set("content_hash", slots, [frame.content_hash for _, frame in filled])
        outcomes = [STATUSES.index(outcome) for _, _, outcome in changes]
        self._set("status", [slot for slot, _, _ in changes], outcomes)
        if revisions and not self.place.atomic:
            forget_revisions(self.objects)
        self._save(f"{len(changes)} frames up to {changes[-1][1].valid_time}")

    def _revise(self, revisions: Sequence[Revision]) -> None:
        slots = [revision.slot for revision in revisions]
        for name in ("wet_share", "observed_share", "source", "content_hash"):
            self._set(name, slots, [getattr(revision, name) for revision in revisions])
        self._set("settled", slots, [0] * len(slots))
        self._set("status", slots, [STATUSES.index("revised")] * len(slots))

    def _set(self, name: str, slots: Sequence[int], values: Sequence[Any]) -> None:
        array = array_of(self._group, name)
        for first, last in _runs(slots):
            stretch = slice(slots[first], slots[last - 1] + 1)
            array[stretch] = np.asarray(values[first:last], array.dtype)

    def _cover(self, valid_times: Sequence[np.datetime64]) -> list[int]:
        """Extend the axis so that every time has its slot; the slots."""
        first = min(valid_times)
        if not len(self.store):
            self._append(first_of_shard(first, self.store), 1)
        slots = [self.store.slot(time) for time in valid_times]
        before = 0
        if min(slots) < 0:
            before = -self.store.slot(first_of_shard(first, self.store))
            prepend(self.place, self.store, before)
            self._begin()
        if (after := max(slots) + before + 1 - len(self.store)) > 0:
            self._append(self.store.first, after)
        return [slot + before for slot in slots]

    def _append(self, first: np.datetime64, slots: int) -> None:
        append(self.objects, self.store, slots, first)
        self._look()


def _runs(slots: Sequence[int]) -> list[tuple[int, int]]:
    """Where the consecutive stretches of a list of slots begin and end."""
    if not slots:
        return []
    breaks = [k for k in range(1, len(slots)) if slots[k] != slots[k - 1] + 1]
    return list(pairwise([0, *breaks, len(slots)]))

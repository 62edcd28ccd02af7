"""The frames that something was made of, against those that the store holds now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.links import Link, State, UsedFrame, candidates
from flows.source_files import Sources
from pipeline.store import FILLED, Store

NOT_OPENED = (OSError, ValueError, ImportError)
DIFFERENCES: Mapping[State, str] = {
    "revised": "was revised since, hash {content_hash} became {found}",
    "cleared": "was cleared since",
    "added": "came in since, it was not used",
}


@dataclass(frozen=True)
class Used:
    """What is known of the frames that something was made of.

    Args:
        store: Address of their store, as it was told.
        near: What was made of them.
        product: Of the store.
        hashes: Valid time → content hash, or its first digits; None where they are not told.
        fingerprint: Of the slots, if it is told.
        snapshot: Of the store, if it is told.
        names: Valid time → source, of frames that the store may hold no more.
    """

    store: str
    near: Path
    product: str
    hashes: Mapping[str, str] | None = None
    fingerprint: str | None = None
    snapshot: str | None = None
    names: Mapping[str, str] | None = None

    def open(self) -> Store:
        """The store, where it was or where it is now.

        Raises:
            OSError or ValueError: If it is not found, or is one of another product.
        """
        places = iter(()) if ":" in self.store else candidates(self.store, self.near)
        store = Store.open(next((path for path in places if path.exists()), self.store))
        if store.product != self.product:
            raise ValueError(
                f"{store.address}: expected a store of product {self.product}, found "
                f"{store.product}"
            )
        return store

    def trace(self, slots_of: Callable[[Store], NDArray[np.int64]], sources: Sources) -> Link:
        """The store with the frames that were used, and the files that these came from.

        Args:
            slots_of: The slots of the frames, in order, any beyond the ends of the axis.
            sources: Where the files are looked for.
        """
        about = {
            "product": self.product,
            "fingerprint": self.fingerprint,
            "snapshot": self.snapshot,
        }
        try:
            store = self.open()
            slots = slots_of(store)
        except NOT_OPENED as error:
            frames = sources.found(self._told())
            behind = (_frames_link(frames, ()), sources.link(frames)) if frames else ()
            return Link("store", self.store, about, (str(error),), behind)
        frames = self._frames(store, slots[(slots >= 0) & (slots < len(store))])
        if self.hashes is None:
            broken = tuple(self._unlike(store, slots))
        else:
            broken = (_difference(store, frames),) if any(map(_differs, frames)) else ()
        frames = sources.found(frames, store.quality)
        behind = (_frames_link(frames, broken), sources.link(frames, store.quality))
        return Link("store", str(store.address), about, (), behind)

    def _told(self) -> list[UsedFrame]:
        names = self.names or {}
        return [
            UsedFrame(time, name, (self.hashes or {}).get(time, ""), "unknown")
            for time, name in sorted(names.items())
        ]

    def _unlike(self, store: Store, slots: NDArray[np.int64]) -> Iterator[str]:
        found = store.fingerprint(slice(max(int(slots[0]), 0), int(slots[-1]) + 1))
        if self.fingerprint not in (None, found):
            yield (
                f"{store.address}: expected frames of fingerprint {self.fingerprint}, found "
                f"{found}; some were revised, added or cleared since {self.near} was made"
            )

    def _frames(self, store: Store, slots: NDArray[np.int64]) -> tuple[UsedFrame, ...]:
        held = _held(store, slots)
        used = {time: content for time, (_, content) in held.items()}
        used = used if self.hashes is None else dict(self.hashes)
        names = self.names or {}
        return tuple(
            _compared(time, held.get(time), used.get(time), names.get(time, ""))
            for time in sorted(held.keys() | used.keys())
        )


def _held(store: Store, slots: NDArray[np.int64]) -> dict[str, tuple[str, str]]:
    """Valid time → source and content hash of the slots that a frame fills."""
    if not slots.size:
        return {}
    first = int(slots.min())
    stretch, places = slice(first, int(slots.max()) + 1), slots - first
    filled = places[np.isin(store.column("status", stretch)[places], FILLED)]
    times = np.datetime_as_string(store.times[stretch][filled], unit="s")
    sources, hashes = (store.column(name, stretch)[filled] for name in ("source", "content_hash"))
    return {
        str(time): (str(source), str(content))
        for time, source, content in zip(times, sources, hashes, strict=True)
    }


def _compared(time: str, held: tuple[str, str] | None, used: str | None, name: str) -> UsedFrame:
    if held is None:
        return UsedFrame(time, name, used or "", "cleared")
    source, found = held
    if used is None:
        return UsedFrame(time, source, "", "added", found)
    if found.startswith(used):
        return UsedFrame(time, source, found, "as used", found)
    return UsedFrame(time, name or source, used, "revised", found)


def _differs(frame: UsedFrame) -> bool:
    return frame.state not in ("as used", "unknown")


def _difference(store: Store, frames: Iterable[UsedFrame]) -> str:
    first, *more = filter(_differs, frames)
    what = DIFFERENCES[first.state].format(**vars(first))
    others = f"; {len(more)} more differ" if more else ""
    return f"{store.address}: the frame of {first.valid_time.replace('T', ' ')} {what}{others}"


def _frames_link(frames: tuple[UsedFrame, ...], broken: tuple[str, ...]) -> Link:
    return Link("frames", _period(frames), _count(frames), broken, (), frames)


def _count(frames: Iterable[UsedFrame]) -> dict[str, Any]:
    used = [frame for frame in frames if frame.state != "added"]
    return {"count": len(used), "differ": sum(map(_differs, frames))}


def _period(frames: tuple[UsedFrame, ...]) -> str:
    return f"{frames[0].valid_time} to {frames[-1].valid_time}" if frames else "none"

"""Does a decoded file belong into a store?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.clock import clock, format_cadence, nearest_slot_time
from pipeline.decoding import DecodedFile
from pipeline.packed_frame import PackedFrame
from pipeline.quality_steps import EMPTY, Chain
from pipeline.store import Store

SECOND = np.timedelta64(1, "s")
FURTHEST_AHEAD = np.timedelta64(24, "h")


class Fitting:
    """What a store asks of files, and which valid times it was given already.

    Args:
        store: The store, which may be empty.
        tolerance: How far from its slot a frame's time may be.
        now: The time of day, UTC.
        chain: Quality steps between a file and the store.
    """

    def __init__(
        self,
        store: Store,
        tolerance: np.timedelta64,
        now: np.datetime64,
        chain: Chain = EMPTY,
    ) -> None:
        self._chain = chain
        self._grid, self._zr, self._cadence = store.grid, store.zr, store.cadence
        self._tolerance, self._now = tolerance, now
        self._origin = store.first if len(store) else None
        self._earliest = None if store.movable else self._origin
        self._given: dict[np.datetime64, tuple[Path, str]] = {}

    def frames(self, file: DecodedFile) -> list[PackedFrame]:
        """The frames of a file, cleaned, at the times of their slots, without those given already.

        Files contradict each other by what was read, whatever cleaning leaves of it.

        Raises:
            ValueError: If the file does not fit, or contradicts one before it.
        """
        self._check_grid(file)
        for frame in file.frames:
            self._check_clock(frame)
        origin = self._origin if self._origin is not None else self._first(file.frames)
        frames = [self._on_raster(frame, origin) for frame in file.frames]
        self._check_begin(frames)
        self._check_times(file, frames)
        self._origin = origin
        fresh = {f.valid_time: f for f in reversed(frames) if f.valid_time not in self._given}
        for frame in frames:
            self._given.setdefault(frame.valid_time, (file.path, frame.content_hash))
        return [self._cleaned(fresh[time]) for time in sorted(fresh)]

    def _cleaned(self, frame: PackedFrame) -> PackedFrame:
        if not self._chain.steps:
            return frame
        return frame.cleaned(self._chain, self._grid.shape, self._zr)

    def _check_grid(self, file: DecodedFile) -> None:
        if difference := self._grid.difference(file.grid):
            raise ValueError(f"expected the store's grid of {difference}")
        if file.zr != self._zr:
            raise ValueError(
                f"expected the store's Z–R relation a={self._zr.a:g}, b={self._zr.b:g}, "
                f"found a={file.zr.a:g}, b={file.zr.b:g}"
            )

    def _check_clock(self, frame: PackedFrame) -> None:
        if frame.valid_time - self._now > FURTHEST_AHEAD:
            raise ValueError(
                f"expected a valid time that is past, found {clock(frame.valid_time)} when this "
                f"machine's clock says {clock(self._now)} UTC; check the clocks of both, then "
                "ingest the file again"
            )

    def _check_begin(self, frames: Sequence[PackedFrame]) -> None:
        first = min(frame.valid_time for frame in frames)
        if self._earliest is not None and first < self._earliest:
            raise ValueError(
                f"expected a valid time from {clock(self._earliest)} on, where this store begins, "
                f"found {clock(first)}; an object store cannot grow backwards: make a new store "
                "from the earliest files on"
            )

    def _first(self, frames: Sequence[PackedFrame]) -> np.datetime64:
        """The slot that the raster of an empty store begins with: of a whole cadence if it may."""
        time = frames[0].valid_time
        whole = nearest_slot_time(time, np.datetime64(0, "ns"), self._cadence)
        return whole if abs(time - whole) <= self._tolerance else time

    def _on_raster(self, frame: PackedFrame, origin: np.datetime64) -> PackedFrame:
        nearest = nearest_slot_time(frame.valid_time, origin, self._cadence)
        off = abs(frame.valid_time - nearest)
        if off > self._tolerance:
            raise ValueError(
                f"expected a valid time every {format_cadence(self._cadence)[2:]} from "
                f"{clock(origin)}, found {clock(frame.valid_time)}, {off / SECOND:g} s from the "
                f"nearest slot, where the product allows {self._tolerance / SECOND:g} s"
            )
        return replace(frame, valid_time=nearest)

    def _check_times(self, file: DecodedFile, frames: Sequence[PackedFrame]) -> None:
        given: dict[np.datetime64, tuple[Path, str]] = {}
        for frame in frames:
            ours = file.path, frame.content_hash
            time = frame.valid_time
            other, content_hash = self._given.get(time) or given.setdefault(time, ours)
            if content_hash != frame.content_hash:
                raise ValueError(
                    f"{clock(time)} was already given by {other.name} with other pixels; "
                    "ingest the right one alone"
                )

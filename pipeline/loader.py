"""Windows into batches: what training draws, and what validation sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from data_catalog.product import Split
from pipeline.batch import Batch
from pipeline.packing import MISSING, unpack
from pipeline.prefetch import prefetch
from pipeline.tensor_set import TensorSet, Windows
from pipeline.windows import WindowRule

CANDIDATES = 64
LEAST_SEEN = 0.5

Item = TypeVar("Item")
Integers = NDArray[np.int64]


class Crops(NamedTuple):
    """Square cuts out of windows, one entry each.

    Args:
        window: Number of the window in its split, counted through all sets.
        top: Row of the upper edge; negative where the grid is smaller than the crop.
        left: Column of the left edge, likewise.
        turn: 0 … 7: quarter turns, mirrored from 4 on.
    """

    window: Integers
    top: Integers
    left: Integers
    turn: Integers


@dataclass(frozen=True, eq=False)
class _Source:
    """The windows that one tensor set adds."""

    tensors: TensorSet
    windows: Windows
    begin: int

    def acceptance(
        self, crops: Crops, crop: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """By the blocks nearest to each crop: the probability to accept it, the share seen."""
        rule = self.tensors.manifest.acceptance
        place: list[Integers] = [crops.window - self.begin]
        for axis, (edge, blocks) in enumerate(
            zip((crops.top, crops.left), self.windows.seen.shape[1:], strict=True)
        ):
            count = min(max(round(crop / rule.block), 1), blocks)
            first = np.clip(np.rint(edge / rule.block), 0, blocks - count).astype(np.int64)
            place.append(np.expand_dims(first[:, None] + np.arange(count), 2 - axis))
        at = (place[0][:, None, None], place[1], place[2])
        wetness, seen = (
            table[at].astype(np.float32).mean((1, 2))
            for table in (self.windows.wetness, self.windows.seen)
        )
        return np.minimum(1, rule.least + rule.gain * wetness), seen


class WindowLoader:
    """Batches of one split of one or several tensor sets.

    Batch n is drawn thus: windows, places of the crop and turns uniformly, then kept with the
    probability of the set's `Acceptance` if at least half of the latest past frame was seen.
    Where too few of 64 candidates a sample are kept, the first others that were seen fill the
    batch, then any. Grids smaller than the crop are padded with missing pixels on all sides.

    Args:
        sets: Tensor sets of one window rule; their order matters.
        split: Which windows.
        batch_size: Samples in a batch.
        crop: Side of the square cut out, in pixels.
        seed: Decides, with n, everything about batch n.
        augment: Whether to draw one of the eight turns and mirrorings.
        threads: How many prepare batches ahead; 0 for none.

    Raises:
        ValueError: If the split holds no window or the sets differ in their window rule.
    """

    def __init__(
        self,
        sets: Sequence[TensorSet],
        split: Split = "train",
        batch_size: int = 16,
        crop: int = 128,
        seed: int = 0,
        augment: bool = True,
        threads: int = 2,
    ) -> None:
        if batch_size < 1 or crop < 1:
            raise ValueError(
                f"loader: expected batch_size and crop of 1 or more, found {batch_size} and {crop}"
            )
        self.rule = _common_rule(sets)
        self._sources: list[_Source] = []
        self._windows = 0
        for tensors in sets:
            windows = tensors.windows(split)
            self._sources.append(_Source(tensors, windows, self._windows))
            self._windows += len(windows)
        if not self._windows:
            raise ValueError(
                f"{sets[0].path}: expected windows for {split}, found none; build the tensor set "
                "with a period for it"
            )
        self._begins = np.array([source.begin for source in self._sources])
        self.batch_size, self.crop, self.seed = batch_size, crop, seed
        self.augment, self.threads = augment, threads

    def __len__(self) -> int:
        """Windows in the split."""
        return self._windows

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        return prefetch(self.batch, range(start, stop), self.threads)

    def sweep(self) -> Iterator[Batch]:
        """The centre crop of every window once, in order, neither favoured nor turned."""
        starts = range(0, self._windows, self.batch_size)
        return prefetch(self._centre, starts, self.threads)

    def batch(self, n: int) -> Batch:
        """Batch n, a function of (seed, n) alone."""
        return self._gather(self.draw(n))

    def draw(self, n: int) -> Crops:
        """What batch n is cut from."""
        rng = np.random.default_rng([self.seed, n])
        count = CANDIDATES * self.batch_size
        window = rng.integers(self._windows, size=count)
        height, width = self._room(window)
        candidates = Crops(
            window,
            np.where(height < 0, height // 2, (rng.random(count) * (height + 1)).astype(np.int64)),
            np.where(width < 0, width // 2, (rng.random(count) * (width + 1)).astype(np.int64)),
            rng.integers(8, size=count) if self.augment else np.zeros(count, np.int64),
        )
        probability, seen = self._acceptance(candidates)
        whole = seen >= LEAST_SEEN
        kept = whole & (rng.random(count) < probability)
        best = np.argsort(2 - whole.astype(np.int8) - kept, kind="stable")[: self.batch_size]
        return Crops(*(column[best] for column in candidates))

    def _centre(self, start: int) -> Batch:
        window = np.arange(start, min(start + self.batch_size, self._windows))
        height, width = self._room(window)
        return self._gather(Crops(window, height // 2, width // 2, np.zeros_like(window)))

    def _room(self, window: Integers) -> tuple[Integers, Integers]:
        """How many rows and columns each window has beyond the crop."""
        shapes = np.array([source.tensors.frames.shape[1:] for source in self._sources])
        height, width = (shapes[self._source_of(window)] - self.crop).T
        return height, width

    def _source_of(self, window: Integers) -> Integers:
        return np.searchsorted(self._begins, window, "right") - 1

    def _acceptance(self, crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probability, seen = np.empty((2, crops.window.size), np.float32)
        owner = self._source_of(crops.window)
        for k, source in enumerate(self._sources):
            own = owner == k
            theirs = Crops(*(column[own] for column in crops))
            probability[own], seen[own] = source.acceptance(theirs, self.crop)
        return probability, seen

    def _gather(self, crops: Crops) -> Batch:
        shape = (crops.window.size, self.rule.length, self.crop, self.crop)
        packed = np.full(shape, MISSING, np.int16)
        owner = self._source_of(crops.window).tolist()
        columns = (column.tolist() for column in crops)
        for k, window, top, left, turn in zip(range(shape[0]), *columns, strict=True):
            source = self._sources[owner[k]]
            frames = source.tensors.frames
            start = int(source.windows.start[window - source.begin])
            rows, into_rows = _overlap(top, self.crop, frames.shape[1])
            cols, into_cols = _overlap(left, self.crop, frames.shape[2])
            target = turned(packed[k], turn)[:, into_rows, into_cols]
            target[...] = frames[start : start + self.rule.length, rows, cols]
        return Batch(torch.from_numpy(unpack(packed)))


def _common_rule(sets: Sequence[TensorSet]) -> WindowRule:
    rules = {tensors.rule for tensors in sets}
    if len(rules) != 1:
        raise ValueError(
            f"loader: expected tensor sets of one window rule, found {len(rules)}; "
            "build them with the same past and future"
        )
    return rules.pop()


def turned(frames: NDArray[np.int16], turn: int) -> NDArray[np.int16]:
    """A view of square frames (T, h, h) after `turn` % 4 quarter turns, mirrored from 4 on."""
    mirrored = frames[:, :, ::-1] if turn >= 4 else frames
    return np.rot90(mirrored, turn % 4, (1, 2))


def _overlap(edge: int, crop: int, size: int) -> tuple[slice, slice]:
    """Where a crop from `edge` meets an axis of `size` pixels: on the axis, and in the crop."""
    start, stop = max(edge, 0), min(edge + crop, size)
    return slice(start, stop), slice(start - edge, stop - edge)

"""Single frames of stores with noise on them, beside the clean ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.batch import Batch
from pipeline.noise import Noise
from pipeline.prefetch import prefetch
from pipeline.store import Store

FIELD_CROPS = 4
CANDIDATES = 4
LEAST_SEEN = 0.25
SWEEPS = 12
STREAM, SWEEP = 4, 5

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Record:
    """Some frames of a store.

    Args:
        store: The store.
        slots: Of the frames, rising.
    """

    store: Store
    slots: NDArray[np.int64]

    @classmethod
    def whole(cls, store: Store) -> Record:
        """All that the store holds."""
        return cls(store, np.flatnonzero(store.observed))

    def __len__(self) -> int:
        return int(self.slots.size)

    def split(self, *shares: float) -> tuple[Record, ...]:
        """Pieces in order of time: so much of the frames each, the rest the last.

        Raises:
            ValueError: If a piece would be empty.
        """
        cuts = [round(share * len(self)) for share in np.cumsum(shares)]
        pieces = tuple(Record(self.store, slots) for slots in np.split(self.slots, cuts))
        if not all(map(len, pieces)):
            raise ValueError(
                f"{self.store.address}: expected frames for {len(pieces)} pieces, found "
                f"{len(self)}; ingest more"
            )
        return pieces

    def some(self, count: int) -> Record:
        """At most so many frames, evenly chosen."""
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return Record(self.store, self.slots[chosen])

    def frame(self, slot: int) -> Pixels:
        """One frame (H, W) in dBZ."""
        pixels: Pixels = self.store.dbz(slot, slot + 1)[0]
        return pixels


class RadarFrames:
    """Noisy crops (B, 1, crop, crop) in dBZ of frames of stores, with the clean ones as label.

    Noise is laid on a field of four crops a side, so that a crop sees spikes and sectors of
    sites far away; four samples of a batch share a field. Every store is drawn alike.

    Args:
        records: Where frames are taken from.
        noise: What is done to them.
        batch_size: Samples in a batch.
        crop: Side of a sample, in pixels.
        seed: Decides, with n, everything about batch n.
        augment: Whether to draw one of the eight turns and mirrorings.
        threads: How many prepare batches ahead; 0 for none.

    Missing: What the frame misses, and all beyond its edges.

    Raises:
        ValueError: If there is no record, or one without frames.
    """

    def __init__(
        self,
        records: Sequence[Record],
        noise: Noise,
        batch_size: int = 16,
        crop: int = 96,
        seed: int = 0,
        augment: bool = True,
        threads: int = 1,
    ) -> None:
        if not records or not all(map(len, records)):
            raise ValueError("radar frames: expected stores with frames, found none; ingest some")
        self.records, self.noise = tuple(records), noise
        self.batch_size, self.crop, self.seed = batch_size, crop, seed
        self.augment, self.threads = augment, threads

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply; batch n depends on (seed, n) alone."""
        return prefetch(
            lambda n: self._batch([self.seed, n, STREAM]), range(start, stop), self.threads
        )

    def sweep(self) -> Iterator[Batch]:
        """The same few batches each time."""
        return prefetch(lambda n: self._batch([self.seed, n, SWEEP]), range(SWEEPS), self.threads)

    def _batch(self, seed: Sequence[int]) -> Batch:
        rng = np.random.default_rng(seed)
        noisy: list[Pixels] = []
        clean: list[Pixels] = []
        while len(noisy) < self.batch_size:
            field = self._field(rng)
            spoiled = self.noise(torch.from_numpy(field)[None, None], rng)[0, 0].numpy()
            for _ in range(min(FIELD_CROPS, self.batch_size - len(noisy))):
                rows, columns = self._place(field, rng)
                turn = int(rng.integers(8)) if self.augment else 0
                noisy.append(_turned(spoiled[rows, columns], turn))
                clean.append(_turned(field[rows, columns], turn))
        return Batch(_stacked(noisy), _stacked(clean))

    def _field(self, rng: np.random.Generator) -> Pixels:
        """A square piece of a frame, NaN beyond the frame's edges."""
        record = self.records[rng.integers(len(self.records))]
        frame = record.frame(int(rng.choice(record.slots)))
        side = FIELD_CROPS * self.crop
        corners = [int(rng.integers(max(size - side, 0) + 1)) for size in frame.shape]
        piece = frame[corners[0] : corners[0] + side, corners[1] : corners[1] + side]
        lacking = [(0, max(self.crop - size, 0)) for size in piece.shape]
        return np.pad(piece, lacking, constant_values=np.nan)

    def _place(self, field: Pixels, rng: np.random.Generator) -> tuple[slice, slice]:
        """A crop of the field that the radar saw enough of, or the best of a few."""
        best, most = (slice(0), slice(0)), -1.0
        for _ in range(CANDIDATES):
            top, left = (int(rng.integers(size - self.crop + 1)) for size in field.shape)
            place = slice(top, top + self.crop), slice(left, left + self.crop)
            seen = 1 - float(np.isnan(field[place]).mean())
            if seen > most:
                best, most = place, seen
            if seen >= LEAST_SEEN:
                break
        return best


def _turned(pixels: Pixels, turn: int) -> Pixels:
    mirrored = pixels[:, ::-1] if turn >= 4 else pixels
    return np.rot90(mirrored, turn % 4)


def _stacked(crops: Sequence[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(crops)[:, None])

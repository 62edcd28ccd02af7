"""Images into batches: what training draws, and what validation sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from threading import Lock
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.augmentation import Augmentation
from pipeline.batch import Batch
from pipeline.image_decoding import Frame, Framing
from pipeline.image_split import ImageSplit
from pipeline.pictures import Bytes, Integers
from pipeline.prefetch import prefetch

KEPT_BYTES = 2 * 10**9
NAMED = 5
ORDER, CHANGES = 0, 1


class ImageLoader:
    """Batches of one part of an image set, values 0 … 255.

    Every epoch is a permutation of its own that depends on (seed, epoch) alone; batch n is cut
    from it and augmented by (seed, n) alone. Images that take `kept_bytes` or less when decoded
    are decoded once and kept; others are decoded for each batch, by the threads.

    Args:
        split: Which images.
        batch_size: Images in a batch.
        size: Side of the square in pixels; None where all images are alike.
        channels: 1 or 3; None for what the images have.
        seed: Decides, with n, everything about batch n.
        augment: How the images of `stream` are changed; None leaves them as they are.
        threads: How many decode and prepare batches ahead; 0 for none. Batches that are cheap
            to make of decoded images are made when they are asked for.
        broken: "refuse" a broken image with an error, or "skip" it; to skip, all images are
            decoded once beforehand.
        whole_epochs: Whether the last batch of an epoch is shorter (an image left alone joins
            the batch before); otherwise batches run on into the next epoch.
        framing: How an image becomes a square, see `Frame`.
        kept_bytes: Bound on the memory for decoded images.

    Raises:
        ValueError: If there is no image, they differ in size and none is asked for, or one is
            broken and to be refused (at the latest when its batch is asked for).
    """

    def __init__(
        self,
        split: ImageSplit,
        batch_size: int,
        size: int | None = None,
        channels: int | None = None,
        seed: int = 0,
        augment: Augmentation | None = None,
        threads: int = 2,
        broken: Literal["refuse", "skip"] = "refuse",
        whole_epochs: bool = True,
        framing: Framing = "crop",
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.split, self.batch_size, self.seed = split, batch_size, seed
        self.augment, self.threads, self.whole_epochs = augment, threads, whole_epochs
        self.channels = channels or split.channels
        self.frame = Frame(size, self.channels, framing)
        self._refuse_nonsense()
        height, width = (size, size) if size else (split.size or (0, 0))
        self.shape = (self.channels, height, width)
        self.broken: tuple[str, ...] = ()
        self.indices: Integers = np.arange(len(split))
        self._keeps = len(split) * self.channels * height * width <= kept_bytes
        self._kept: Bytes | None = None
        self._lock = Lock()
        if broken == "skip":
            self._skip_broken()
        self._labels = split.labels[self.indices]

    def __len__(self) -> int:
        """Images in an epoch."""
        return self.indices.size

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.split.classes

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold every image once."""
        count, size = len(self), self.batch_size
        alone = self.whole_epochs and count > size and count % size == 1
        return -(-count // size) - int(alone)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        instant = self._keeps and not (self.augment and self.augment.is_costly)
        return prefetch(self.batch, range(start, stop), 0 if instant else self.threads)

    def sweep(self) -> Iterator[Batch]:
        """Every image once, in the order of `indices`, unaugmented."""
        starts = range(0, len(self), self.batch_size)
        return prefetch(self._in_order, starts, 0 if self._keeps else self.threads)

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all images, 0 … 255."""
        count, (total, squares) = 0, torch.zeros((2, self.channels), dtype=torch.float64)
        for batch in self.sweep():
            values = batch.frames.double()
            count += values[:, 0].numel()
            total += values.sum((0, 2, 3))
            squares += (values**2).sum((0, 2, 3))
        mean = total / count
        deviation = (squares / count - mean**2).clamp(min=0).sqrt()
        return tuple(mean.tolist()), tuple(deviation.tolist())

    def batch(self, n: int) -> Batch:
        """Batch n, a function of (seed, n) alone."""
        places = self.draw(n)
        batch = Batch(torch.from_numpy(self._read(places)), torch.from_numpy(self._labels[places]))
        if self.augment is None:
            return _in_floats(batch)
        rng = np.random.default_rng([self.seed, n, CHANGES])
        return self.augment(_in_floats(batch), len(self.classes), rng)

    def draw(self, n: int) -> Integers:
        """Places of the images of batch n in `indices`."""
        if not self.whole_epochs:
            wanted = np.arange(n * self.batch_size, (n + 1) * self.batch_size)
            epochs, places = np.divmod(wanted, len(self))
            parts = [self._order(e)[places[epochs == e]] for e in np.unique(epochs).tolist()]
            return np.concatenate(parts)
        epoch, step = divmod(n, self.steps_per_epoch)
        last = step == self.steps_per_epoch - 1
        stop = len(self) if last else (step + 1) * self.batch_size
        return self._order(epoch)[step * self.batch_size : stop]

    def _order(self, epoch: int) -> Integers:
        return _permutation(self.seed, epoch, len(self))

    def _in_order(self, start: int) -> Batch:
        places = np.arange(start, min(start + self.batch_size, len(self)))
        labels = torch.from_numpy(self._labels[places])
        return _in_floats(Batch(torch.from_numpy(self._read(places)), labels))

    def _read(self, places: Integers) -> Bytes:
        if not self._keeps:
            return self._decode(self.indices[places])
        if self._kept is None:
            with self._lock:
                if self._kept is None:
                    self._kept = self._decode_all()
        return self._kept[places]

    def _decode_all(self) -> Bytes:
        plain = self.split.plain(self.frame)
        if plain is not None:
            return plain
        kept = np.empty((len(self), *self.shape), np.uint8)
        faults = [fault for fault in self._each(self.indices, kept) if fault]
        if faults:
            raise ValueError(_listed(faults))
        return kept

    def _decode(self, indices: Integers) -> Bytes:
        return np.stack([self.split.decode(i, self.frame) for i in indices.tolist()])

    def _each(self, indices: Integers, kept: Bytes | None) -> Iterator[str]:
        """What is wrong with each image, empty if nothing; whole ones go where they belong."""

        def one(place: int) -> str:
            try:
                pixels = self.split.decode(int(indices[place]), self.frame)
            except ValueError as error:
                return str(error)
            if kept is not None:
                kept[place] = pixels
            return ""

        return prefetch(one, range(indices.size), self.threads)

    def _skip_broken(self) -> None:
        if self.split.plain(self.frame) is not None:
            return
        kept = np.empty((len(self), *self.shape), np.uint8) if self._keeps else None
        faults = list(self._each(self.indices, kept))
        whole = np.array([not fault for fault in faults])
        self.broken = tuple(fault for fault in faults if fault)
        if not whole.any():
            raise ValueError(f"{self.split.name}: expected whole images, found {_listed(faults)}")
        self.indices = self.indices[whole]
        self._kept = None if kept is None else kept[whole]

    def _refuse_nonsense(self) -> None:
        size = self.frame.size
        if self.batch_size < 1 or self.channels not in (1, 3) or (size is not None and size < 1):
            raise ValueError(
                "image loader: expected batch_size and size of 1 or more and 1 or 3 channels, "
                f"found {self.batch_size}, {size} and {self.channels}"
            )
        if not len(self.split):
            raise ValueError(f"{self.split.name}: expected images, found none")
        if size is None and self.split.size is None:
            raise ValueError(
                f"{self.split.name}: expected a size, for its images differ in theirs; "
                "give the size to bring them to"
            )


@lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    order = np.random.default_rng([seed, epoch, ORDER]).permutation(count)
    order.flags.writeable = False
    return order


def _in_floats(batch: Batch) -> Batch:
    return Batch(batch.frames.float(), batch.label)


def _listed(faults: list[str]) -> str:
    more = len(faults) - NAMED
    return " | ".join(faults[:NAMED]) + (f" | and {more} more" if more > 0 else "")

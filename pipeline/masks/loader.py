"""Pictures with masks into batches: crops to train on, whole pictures to validate on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pipeline.batch import Batch
from pipeline.deformation import Deformation, Sample
from pipeline.masks.intensity import Normalisation
from pipeline.masks.pixel_weights import PixelWeights
from pipeline.masks.samples import MaskSamples, Target
from pipeline.masks.sets import MaskSplit
from pipeline.masks.values import IGNORE
from pipeline.pictures import Integers
from pipeline.prefetch import prefetch

ORDER, CHANGES = 0, 1


class MaskLoader:
    """Batches of one part of a set of pictures with masks, values 0 … 255.

    Batch n depends on (seed, n) alone; every picture comes equally often. A network without
    padding loses `margin` pixels on each side: crops are laid so that what is left lies inside
    the picture, and what lies outside is mirrored. Weights are made once a picture and deformed
    with it.

    Args:
        split: Which pictures.
        batch_size: Crops in a batch.
        crop: Side of the square that the network is given, in pixels.
        channels: 1 or 3; None for what the pictures have.
        seed: Decides, with n, everything about batch n.
        deformation: How crops are changed; None cuts them as they are.
        pixel_weights: How much each pixel counts; None for all alike.
        margin: Pixels that the network loses on each side.
        multiple: The network takes sides that differ from `crop` by a multiple of this.
        normalise: See `normalised`.
        target: See `MaskSamples`.
        by_class: Weights of balanced classes, those of training for validation; None for those
            of this split.
        threads: How many prepare batches ahead; 0 for none.
        kept_bytes: Bound on the memory for prepared pictures.

    Raises:
        ValueError: If there is no picture or a number is out of range.
    """

    def __init__(
        self,
        split: MaskSplit,
        batch_size: int,
        crop: int,
        channels: int | None = None,
        seed: int = 0,
        deformation: Deformation | None = None,
        pixel_weights: PixelWeights | None = None,
        margin: int = 0,
        multiple: int = 16,
        normalise: Normalisation = "none",
        target: Target = "separated",
        by_class: Sequence[float] | None = None,
        threads: int = 2,
        kept_bytes: int = 2 * 10**9,
    ) -> None:
        self.samples = MaskSamples(
            split, channels, normalise, target, pixel_weights, by_class, kept_bytes
        )
        self.split, self.batch_size, self.crop, self.seed = split, batch_size, crop, seed
        self.deformation, self.margin, self.multiple = deformation, margin, multiple
        self.threads, self.channels = threads, self.samples.channels
        self.shape = (self.channels, crop, crop)
        if batch_size < 1 or multiple < 1 or margin < 0 or crop <= 2 * margin:
            raise ValueError(
                "mask loader: expected batch_size and multiple of 1 or more, a margin of 0 or more "
                f"and a crop beyond both margins, found {batch_size}, {multiple}, {margin} "
                f"and {crop}"
            )

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.split)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.samples.classes

    @property
    def steps_per_epoch(self) -> int:
        """Batches with as many pixels as the pictures have, and at least one crop of each."""
        area = sum(math.prod(self.split.size_of(i)) for i in range(len(self)))
        crops = max(math.ceil(area / (self.crop - 2 * self.margin) ** 2), len(self))
        return math.ceil(crops / self.batch_size)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        return prefetch(self.batch, range(start, stop), self.threads)

    def sweep(self) -> Iterator[Batch]:
        """Every picture by itself, whole, undeformed; mirrored to a side the network takes.

        Labels are −1 beyond the picture and beyond the field of view, weights 0.
        """
        return prefetch(self.whole, range(len(self)), min(self.threads, 1))

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all pictures, 0 … 255."""
        count, (total, squares) = 0, torch.zeros((2, self.channels), dtype=torch.float64)
        for i in range(len(self)):
            values = self.samples.sample(i).picture.double()
            count += values[0].numel()
            total += values.sum((1, 2))
            squares += (values**2).sum((1, 2))
        mean = total / count
        deviation = (squares / count - mean**2).clamp(min=0).sqrt()
        return tuple(mean.tolist()), tuple(deviation.tolist())

    def batch(self, n: int) -> Batch:
        """Batch n, a function of (seed, n) alone."""
        return _stacked([self._crop(int(i), n, k) for k, i in enumerate(self.draw(n))])

    def draw(self, n: int) -> Integers:
        """Numbers of the pictures of batch n: every picture once before any comes again."""
        rounds, places = np.divmod(
            np.arange(n * self.batch_size, (n + 1) * self.batch_size), len(self)
        )
        orders = [_permutation(self.seed, r, len(self)) for r in rounds.tolist()]
        return np.array([order[place] for order, place in zip(orders, places, strict=True)])

    def whole(self, i: int) -> Batch:
        """Picture i whole, as `sweep` gives it."""
        sample, known = self.samples.sample(i), self.samples.known(i)
        height, width = known.shape
        sample = sample._replace(label=torch.where(known, sample.label, float(IGNORE)))
        piece = cut(sample, -self.margin, -self.margin, self._side(height), self._side(width))
        inside = torch.zeros(piece.label.shape, dtype=torch.bool)
        inside[self.margin : self.margin + height, self.margin : self.margin + width] = True
        label = torch.where(inside, piece.label, float(IGNORE))
        if piece.weight is not None:
            piece.weight.mul_(label != IGNORE)
        return _stacked([piece._replace(label=label)])

    def _crop(self, i: int, n: int, k: int) -> Sample:
        rng = np.random.default_rng([self.seed, n, k, CHANGES])
        sample, left_over = self.samples.sample(i), self.crop - 2 * self.margin
        room = [size - left_over for size in sample.label.shape]
        top, left = (
            int(rng.integers(min(free, 0), max(free, 0) + 1)) - self.margin for free in room
        )
        if self.deformation is None:
            return cut(sample, top, left, self.crop, self.crop)
        return self.deformation(sample, top, left, self.crop, rng)

    def _side(self, size: int) -> int:
        """The least side for a picture and both margins that the network takes."""
        least = size + 2 * self.margin
        return least + (self.crop - least) % self.multiple


def cut(sample: Sample, top: int, left: int, height: int, width: int) -> Sample:
    """A piece of a sample, mirrored where it lies outside."""
    rows = mirrored(top, height, sample.label.shape[0])
    columns = mirrored(left, width, sample.label.shape[1])

    planes = sample.planes[:, rows][..., columns]
    return Sample(planes, sample.label[rows][:, columns], sample.channels)


def mirrored(start: int, count: int, size: int) -> Tensor:
    """Places start … start + count − 1, brought inside 0 … size − 1 by mirrors on both ends."""
    period = max(2 * (size - 1), 1)
    places = torch.arange(start, start + count) % period
    return torch.minimum(places, (period - places).clamp(min=0)).clamp(max=size - 1)


def _stacked(samples: Sequence[Sample]) -> Batch:
    weights = [sample.weight for sample in samples if sample.weight is not None]
    return Batch(
        torch.stack([sample.picture for sample in samples]),
        torch.stack([sample.label for sample in samples]).long(),
        torch.stack(weights) if weights else None,
    )


@lru_cache(maxsize=8)
def _permutation(seed: int, turn: int, count: int) -> Integers:
    order = np.random.default_rng([seed, turn, ORDER]).permutation(count)
    order.flags.writeable = False
    return order

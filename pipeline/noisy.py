"""Batches with noise beside the clean ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pipeline.batch import Batch, Batches
from pipeline.noise import Noise

STREAM, SWEEP = 2, 3


class NoisyBatches:
    """Noisy frames with the clean ones as their label, of clean batches.

    The noise of batch n of the stream depends on (seed, n) alone, that of image i of the sweep
    on (seed, i) alone, whatever the size of the batches.

    Args:
        batches: The clean ones, whose labels are dropped.
        noise: What is done to them.
        seed: Decides, with n, the noise of batch n.
    """

    def __init__(self, batches: Batches, noise: Noise, seed: int = 0) -> None:
        self.batches, self.noise, self.seed = batches, noise, seed

    def __len__(self) -> int:
        """Images in an epoch; TypeError where the clean batches have no length."""
        return len(self.batches)  # type: ignore[arg-type]

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches that hold every image once; None where the clean batches do not know."""
        return getattr(self.batches, "steps_per_epoch", None)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        for n, batch in enumerate(self.batches.stream(start, stop), start):
            rng = np.random.default_rng([self.seed, n, STREAM])
            yield Batch(self.noise(batch.frames, rng), batch.frames)

    def sweep(self) -> Iterator[Batch]:
        """Every image once, in order, with the same noise each time."""
        begin = 0
        for clean, *_ in self.batches.sweep():
            yield Batch(self._each(clean, begin), clean)
            begin += len(clean)

    def _each(self, clean: Tensor, begin: int) -> Tensor:
        noisy = [
            self.noise(image[None], np.random.default_rng([self.seed, i, SWEEP]))
            for i, image in enumerate(clean, begin)
        ]
        return torch.cat(noisy)

"""A trained network that tells what of an echo is no rain, as a cleaner of frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from nowcast.checkpoint import load_checkpoint
from nowcast.tasks import SegmentTask
from nowcast.tasks.classes import UNLABELLED
from pipeline.batch import NO_ECHO, Batch, Batches

CLASSES = ("rain", "no rain", "rain below a stronger echo")
RAIN, NO_RAIN, RAIN_BELOW = range(3)
STRONGER_DB = 3.0
AROUND = 7
PIECE = 2**16

Pixels = NDArray[np.float32]


def echo_classes(noisy: Tensor, clean: Tensor) -> Tensor:
    """What each echo of noisy frames is, by the clean ones of the same shape: places in CLASSES.

    An echo lies above rain where it is more than STRONGER_DB stronger.

    Missing: UNLABELLED, as is a pixel without an echo.
    """
    above = torch.where(noisy - clean > STRONGER_DB, RAIN_BELOW, RAIN)
    classes = torch.where(clean > NO_ECHO, above, NO_RAIN)
    judged = (noisy > NO_ECHO) & ~clean.isnan()
    return torch.where(judged, classes, UNLABELLED)


class EchoBatches:
    """Batches of noisy and clean frames (B, 1, H, W), their label the classes of the echoes."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        return map(_labelled, self._batches.stream(start, stop))

    def sweep(self) -> Iterator[Batch]:
        """Every sample once, in order."""
        return map(_labelled, self._batches.sweep())


def _labelled(batch: Batch) -> Batch:
    if batch.label is None:
        raise ValueError("echo batches: expected clean frames beside the noisy ones, found none")
    return Batch(batch.frames, echo_classes(batch.frames, batch.label)[:, 0])


class Cleaner:
    """Removes echoes that are no rain, and lowers those that hide rain; (H, W) or (T, H, W) dBZ.

    An echo is doubted where its probability of being rain is below the strictness. A doubted one
    that is no rain becomes NO_ECHO; one that hides rain becomes the median of the pixels that are
    not doubted in the AROUND × AROUND about it, where that is weaker. All else stays to the bit.

    Args:
        network: (B, 1, H, W) to three logits a pixel, see CLASSES.
        task: By which frames are scaled.
        strictness: 0 … 1; 0 changes nothing, 1 all that is not surely rain. More of it leaves less
            clutter and loses more rain.
        fingerprint: Of the checkpoint; empty for a network that was never saved.

    Missing: Stays missing.

    Raises:
        ValueError: If the strictness is not 0 … 1, or the network was trained for another task.
    """

    def __init__(
        self, network: nn.Module, task: object, strictness: float = 0.5, fingerprint: str = ""
    ) -> None:
        if not 0 <= strictness <= 1:
            raise ValueError(f"cleaner: expected a strictness of 0 to 1, found {strictness}")
        if not isinstance(task, SegmentTask) or (task.classes, task.channels) != (3, 1):
            found = type(task).__name__
            raise ValueError(
                f"cleaner: expected a network that names the {len(CLASSES)} kinds of echo in one "
                f"frame, found {found}; train one by recipe 'radar-cleaner'"
            )
        self.network, self.task = network.eval(), task
        self.strictness, self.fingerprint = strictness, fingerprint

    @classmethod
    def load(cls, checkpoint: Path, strictness: float = 0.5) -> Self:
        """The cleaner of a checkpoint.

        Raises:
            ValueError: If the file is no checkpoint of a cleaner, or the strictness no share.
        """
        loaded = load_checkpoint(checkpoint)
        try:
            return cls(loaded.network, loaded.task, strictness, loaded.fingerprint)
        except ValueError as error:
            raise ValueError(f"{checkpoint}: {error}") from error

    def at(self, strictness: float) -> Self:
        """The same network with another strictness."""
        return type(self)(self.network, self.task, strictness, self.fingerprint)

    def __call__(self, dbz: NDArray[np.floating[Any]]) -> Pixels:
        """The frames cleaned, float32.

        Raises:
            ValueError: If they are not (H, W) or (T, H, W).
        """
        if dbz.ndim not in (2, 3):
            raise ValueError(f"cleaner: expected (H, W) or (T, H, W), found shape {dbz.shape}")
        frames = torch.from_numpy(np.array(dbz, np.float32, ndmin=3))
        cleaned = torch.stack([self.judged(frame, self.shares(frame)) for frame in frames])
        return cleaned.numpy().reshape(dbz.shape)

    @torch.no_grad()
    def shares(self, frame: Tensor) -> Tensor:
        """(3, H, W) probabilities of CLASSES for the pixels of (H, W) dBZ.

        They mean something only where there is an echo.
        """
        if not (frame > NO_ECHO).any():
            return torch.zeros(len(CLASSES), *frame.shape)
        scaled = self.task.scaling.encode(frame[None, None])
        logits = self.network(torch.where(scaled.isnan(), 0, scaled)).float()
        shares: Tensor = logits.softmax(1)[0]
        return shares

    def judged(self, frame: Tensor, shares: Tensor) -> Tensor:
        """A frame (H, W) dBZ cleaned by its shares."""
        doubted = (frame > NO_ECHO) & (shares[RAIN] < self.strictness)
        removed = doubted & (shares[NO_RAIN] >= shares[RAIN_BELOW])
        cleaned = torch.where(removed, NO_ECHO, frame)
        return _lowered(cleaned, torch.where(doubted, math.nan, frame), doubted & ~removed)


def _lowered(frame: Tensor, trusted: Tensor, lowered: Tensor) -> Tensor:
    """The frame with some pixels no stronger than the median of the trusted ones around."""
    around = F.pad(trusted, [AROUND // 2] * 4, value=math.nan)
    around = around.unfold(0, AROUND, 1).unfold(1, AROUND, 1)
    rows, columns = lowered.nonzero(as_tuple=True)
    for start in range(0, len(rows), PIECE):
        row, column = rows[start : start + PIECE], columns[start : start + PIECE]
        median = around[row, column].flatten(1).nanmedian(1).values
        weaker = torch.where(median < frame[row, column], median, frame[row, column])
        frame[row, column] = weaker
    return frame

"""Which objects of a picture were missed, false, merged or split."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.confusion import Counts
from nowcast.evaluation.overlaps import Labels, Mask, Overlaps, overlaps


class Fate(IntEnum):
    """What became of an object; the value of its pixels in `ObjectErrors.drawn`."""

    NONE = 0
    RIGHT = 1
    INEXACT = 2
    MISSED = 3
    FALSE = 4
    MERGED = 5
    SPLIT = 6


@dataclass(frozen=True)
class ObjectErrors:
    """The fate of each object of a picture.

    A true object is merged if a found one covers more than half of it and of another, else split
    if two found ones or more lie in it with more than half of themselves, else right if the IoU
    with one is above 0.5, else inexact if a found one covers more than half of it or lies in it
    with more than half of itself, else missed. A found object has the fate of the true ones that
    it covers or lies in (merged before split before right before inexact), else is false.

    Args:
        true_labels: (T,) of the true objects.
        found_labels: (F,) of the found ones.
        of_true: (T,) `Fate` of each.
        of_found: (F,) `Fate` of each.
        drawn: (H, W) `Fate` of each pixel's true object, elsewhere of its found one, else 0.
    """

    true_labels: Counts
    found_labels: Counts
    of_true: NDArray[np.uint8]
    of_found: NDArray[np.uint8]
    drawn: NDArray[np.uint8]

    def counts(self) -> dict[str, int]:
        """True objects by fate, and false ones: right, inexact, missed, false, merged, split."""
        held = np.bincount(self.of_true, minlength=len(Fate))
        held[Fate.FALSE] = int((self.of_found == Fate.FALSE).sum())
        return {fate.name.lower(): int(held[fate]) for fate in Fate if fate}


def object_errors(truth: Labels, found: Labels, field: Mask | None = None) -> ObjectErrors:
    """Sort the objects of a picture by what became of them.

    Args:
        truth: (H, W) objects from 1, background 0, −1 where a pixel does not count.
        found: (H, W) objects from 1, background 0.
        field: (H, W) which pixels count, all if none is given.

    Raises:
        ValueError: If shapes differ or a found label is below 0.
    """
    held = overlaps(truth, found, field)
    of_true, of_found = _fates(held)
    counted = truth >= 0 if field is None else (truth >= 0) & field
    drawn = _painted(found, held.found_labels, of_found)
    over = _painted(truth, held.true_labels, of_true)
    drawn = np.where(over > 0, over, drawn)
    return ObjectErrors(
        held.true_labels, held.found_labels, of_true, of_found, np.where(counted, drawn, 0)
    )


def _fates(held: Overlaps) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    covers, within, alike = held.of_true > 0.5, held.of_found > 0.5, held.iou > 0.5
    true_count, found_count = len(held.true_labels), len(held.found_labels)
    covered = np.bincount(held.found[covers], minlength=found_count)
    pieces = np.bincount(held.true[within], minlength=true_count)
    merged = covers & (covered[held.found] > 1)
    split = within & (pieces[held.true] > 1)
    marks = (
        (covers | within, Fate.INEXACT),
        (alike, Fate.RIGHT),
        (split, Fate.SPLIT),
        (merged, Fate.MERGED),
    )
    of_true = np.full(true_count, Fate.MISSED, np.uint8)
    of_found = np.full(found_count, Fate.FALSE, np.uint8)
    for pairs, fate in marks:
        of_true[held.true[pairs]] = fate
        of_found[held.found[pairs]] = fate
    return of_true, of_found


def _painted(labels: Labels, known: Counts, fates: NDArray[np.uint8]) -> NDArray[np.uint8]:
    places = np.searchsorted(known, labels).clip(0, max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(labels.shape, np.uint8)
    return np.where((labels > 0) & (known[places] == labels), fates[places], 0).astype(np.uint8)

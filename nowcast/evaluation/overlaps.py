"""How the objects of two label images lie over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.confusion import Counts, Scores

Labels = NDArray[np.integer]
Mask = NDArray[np.bool_]

LARGEST_TABLE = 1 << 22


@dataclass(frozen=True)
class Contingency:
    """Pixels by pair of labels, only pairs that occur; (P,) each, sorted by true, then by found.

    Missing: Pixels that are −1 in the truth or outside the field are not counted.
    """

    true: Counts
    found: Counts
    pixels: Counts


@dataclass(frozen=True)
class Overlaps:
    """Objects of both label images and the pixels that pairs of them share.

    Args:
        true_labels: (T,) labels of the true objects, rising; background 0 is none of them.
        found_labels: (F,) of the found ones.
        true_area: (T,) pixels of each.
        found_area: (F,) pixels of each.
        true: (P,) place of each pair's true object among the T.
        found: (P,) place of its found object among the F.
        pixels: (P,) in both, 1 or more.
    """

    true_labels: Counts
    found_labels: Counts
    true_area: Counts
    found_area: Counts
    true: Counts
    found: Counts
    pixels: Counts

    @property
    def iou(self) -> Scores:
        """(P,) intersection over union of each pair. Also called: Jaccard index."""
        union = self.true_area[self.true] + self.found_area[self.found] - self.pixels
        return self.pixels / union

    @property
    def of_true(self) -> Scores:
        """(P,) share of the true object that the found one covers."""
        return self.pixels / self.true_area[self.true]

    @property
    def of_found(self) -> Scores:
        """(P,) share of the found object that lies in the true one."""
        return self.pixels / self.found_area[self.found]


def contingency(truth: Labels, found: Labels, field: Mask | None = None) -> Contingency:
    """Count pixels by their two labels.

    Args:
        truth: (H, W) labels, −1 where a pixel does not count.
        found: (H, W) labels, 0 or more.
        field: (H, W) which pixels count, all if none is given.

    Raises:
        ValueError: If shapes differ or a found label is below 0.
    """
    check_alike(truth, found, field)
    counted = truth >= 0 if field is None else (truth >= 0) & field
    rows, columns = truth[counted].astype(np.int64), found[counted].astype(np.int64)
    if columns.size and columns.min() < 0:
        raise ValueError(
            f"found labels: expected 0 or more, found {columns.min()}; give background the label 0"
        )
    width = int(columns.max(initial=0)) + 1
    codes, pixels = _counted(rows * width + columns, width * (int(rows.max(initial=0)) + 1))
    return Contingency(codes // width, codes % width, pixels)


def overlaps(truth: Labels, found: Labels, field: Mask | None = None) -> Overlaps:
    """The objects of both images: label 0 is background, every other label an object.

    Args:
        truth: As in `contingency`.
        found: As in `contingency`.
        field: As in `contingency`; objects are cut at its edge.

    Raises:
        ValueError: As `contingency`.
    """
    table = contingency(truth, found, field)
    true_labels, true = np.unique(table.true, return_inverse=True)
    found_labels, other = np.unique(table.found, return_inverse=True)
    true_area = _summed(true, table.pixels, len(true_labels))
    found_area = _summed(other, table.pixels, len(found_labels))
    true_from, found_from = (int(labels[:1].sum() == 0) for labels in (true_labels, found_labels))
    pairs = (table.true > 0) & (table.found > 0)
    return Overlaps(
        true_labels[true_from:],
        found_labels[found_from:],
        true_area[true_from:],
        found_area[found_from:],
        true[pairs] - true_from,
        other[pairs] - found_from,
        table.pixels[pairs],
    )


def check_alike(truth: Labels, found: Labels, field: Mask | None) -> None:
    """Raises: ValueError if the shapes are not one and the same."""
    if truth.shape != found.shape or (field is not None and field.shape != truth.shape):
        shapes = [one.shape for one in (truth, found, field) if one is not None]
        raise ValueError(
            f"segmentation: expected truth, found and field of one shape, found {shapes}; "
            "crop the truth to the network's output"
        )


def _counted(codes: Counts, size: int) -> tuple[Counts, Counts]:
    if size > LARGEST_TABLE:
        held, counts = np.unique(codes, return_counts=True)
        return held, counts.astype(np.int64)
    table = np.bincount(codes, minlength=1)
    filled = np.flatnonzero(table)
    return filled, table[filled]


def _summed(places: Counts, pixels: Counts, count: int) -> Counts:
    return np.bincount(places, pixels, minlength=count).astype(np.int64)

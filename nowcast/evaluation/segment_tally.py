"""The sums of a segmentation into classes, from which its scores by pixel are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nowcast.evaluation import confusion, pixel_scores, separation
from nowcast.evaluation.confusion import Counts, Scores
from nowcast.evaluation.overlaps import Labels, Mask, check_alike

Probabilities = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class SegmentRow:
    """One picture: its name and (K, K) pixels, a row a true class, a column a found one."""

    name: str
    confusion: Counts

    @property
    def dice(self) -> Scores:
        """(K,) as `SegmentTally.dice`."""
        return confusion.f1(self.confusion)

    @property
    def pixel_error(self) -> float:
        """Share of the pixels whose class is wrong."""
        return pixel_scores.pixel_error(self.confusion)


class SegmentTally:
    """Sums over pictures; a + b is the tally of both, the same in any order and any parts.

    Args:
        classes: How many there are, 2 or more.
        threshold: Of two classes, the probability from which a pixel is taken for the second; the
            most probable class, the lower label of equals, if none is given.
        bins: Of the histograms from which ROC curves are read.
    """

    def __init__(self, classes: int, *, threshold: float | None = None, bins: int = 8192) -> None:
        if classes < 2 or (threshold is not None and classes > 2):
            raise ValueError(
                "segment tally: expected 2 classes or more, and a threshold with 2 only, found "
                f"{classes} with threshold {threshold}"
            )
        self.classes, self.threshold, self.bins = classes, threshold, bins
        self.of_class = np.zeros((classes, bins), np.int64)
        self.of_others = np.zeros((classes, bins), np.int64)
        self.rows: tuple[SegmentRow, ...] = ()

    def update(
        self, probabilities: ArrayLike, label: Labels, *, name: str = "", field: Mask | None = None
    ) -> SegmentRow:
        """Add a picture.

        Args:
            probabilities: (K, H, W), or (H, W) of the second of two classes.
            label: (H, W) from 0 to K − 1; pixels of −1 are not counted.
            name: Of the picture.
            field: (H, W) which pixels count, all if none is given.

        Returns:
            Its row.

        Raises:
            ValueError: If shapes, labels or probabilities are not as expected.
        """
        odds = self._by_class(np.asarray(probabilities))
        if self.threshold is None:
            found = odds.argmax(0)
        else:
            found = (odds[1] >= self.threshold).astype(np.int64)
        counted = self._counted(found, label, field)
        self._count_odds(odds[:, counted], label[counted])
        return self._keep(name, found[counted], label[counted])

    def update_classes(
        self, found: Labels, label: Labels, *, name: str = "", field: Mask | None = None
    ) -> SegmentRow:
        """Add a picture whose classes are known without probabilities, as a human's.

        Args:
            found: (H, W) from 0 to K − 1.
            label: As in `update`.
            name: Of the picture.
            field: As in `update`.

        Returns:
            Its row.

        Raises:
            ValueError: If shapes or labels are not as expected.
        """
        counted = self._counted(found, label, field)
        return self._keep(name, found[counted], label[counted])

    def __add__(self, other: SegmentTally) -> SegmentTally:
        here, there = self._shape(), other._shape()
        if here != there:
            raise ValueError(
                f"segment tally: expected two of {here}, found {there}; make both alike"
            )
        both = SegmentTally(self.classes, threshold=self.threshold, bins=self.bins)
        both.of_class = self.of_class + other.of_class
        both.of_others = self.of_others + other.of_others
        both.rows = _sorted([*self.rows, *other.rows])
        return both

    def confusion(self) -> Counts:
        """(K, K) pixels of all pictures, a row for each true class, a column for each found."""
        none = np.zeros((self.classes, self.classes), np.int64)
        return sum((row.confusion for row in self.rows), none)

    def dice(self) -> Scores:
        """(K,) twice the pixels that are right of a class by its true and its found pixels.

        Formula: 2 TP / (2 TP + FP + FN) over all pictures' pixels. Range 0 to 1, best 1. Also
        called: Sørensen index, F1.

        Undefined: NaN for a class that no pixel has and none was taken for.
        """
        return confusion.f1(self.confusion())

    def mean_dice(self) -> Scores:
        """(K,) mean over pictures of their own Dice.

        Missing: A picture without true and found pixels of the class is left out.

        Undefined: NaN if none is left.
        """
        table = np.array([row.dice for row in self.rows]).reshape(-1, self.classes)
        return confusion.share(np.nansum(table, 0), (~np.isnan(table)).sum(0))

    def iou(self) -> Scores:
        """(K,) intersection over union of each class over all pictures' pixels."""
        return pixel_scores.iou(self.confusion())

    def pixel_error(self) -> float:
        """Share of the pixels whose class is wrong."""
        return pixel_scores.pixel_error(self.confusion())

    def similarity_error(self, label: int = 1) -> float:
        """1 − the largest Dice of a class over all thresholds of its probability; 0 is best.

        The ISBI 2012 challenge calls this the pixel error, its class the inside of cells, and
        takes the threshold on the very pictures that are scored.

        Undefined: NaN without pixels of the class.

        Source: brainiac2.mit.edu/isbi_challenge/evaluation, dismissed metrics.
        """
        return 1 - self.best_threshold(label)[1]

    def accuracy(self) -> float:
        """Share of the pixels whose class is right."""
        return confusion.accuracy(self.confusion())

    def sensitivity(self) -> Scores:
        """(K,) share of a class's pixels that were taken for it. Also called: recall."""
        return confusion.recall(self.confusion())

    def specificity(self) -> Scores:
        """(K,) share of the pixels of other classes that were not taken for the class."""
        return pixel_scores.specificity(self.confusion())

    def precision(self) -> Scores:
        """(K,) share of the pixels taken for a class that are of it."""
        return confusion.precision(self.confusion())

    def roc(self, label: int = 1) -> tuple[Scores, Scores]:
        """False and true positive rate of a class against the others, over all pixels."""
        return separation.roc(self.of_class[label], self.of_others[label])

    def auc(self) -> Scores:
        """(K,) area under the ROC curve of each class, over the pixels with probabilities."""
        pairs = zip(self.of_class, self.of_others, strict=True)
        return np.array([separation.auc(own, others) for own, others in pairs])

    def auc_error(self) -> Scores:
        """(K,) the most by which binning can have changed `auc`."""
        pairs = zip(self.of_class, self.of_others, strict=True)
        return np.array([separation.auc_error(own, others) for own, others in pairs])

    def best_threshold(self, label: int = 1) -> tuple[float, float]:
        """The probability from which taking pixels for a class gives the largest Dice, and that.

        Chosen on validation pictures, it is a threshold for others.

        Undefined: NaN without pixels of the class.
        """
        edges, dice = pixel_scores.dice_by_threshold(self.of_class[label], self.of_others[label])
        if not self.of_class[label].any():
            return np.nan, np.nan
        place = int(np.nanargmax(dice))
        return float(edges[place]), float(dice[place])

    def _by_class(self, odds: Probabilities) -> Probabilities:
        whole = np.stack([1 - odds, odds]) if odds.ndim == 2 and self.classes == 2 else odds
        if whole.ndim != 3 or len(whole) != self.classes or not (whole >= 0).all():
            raise ValueError(
                f"segment tally: expected probabilities ({self.classes}, H, W) of 0 or more, found "
                f"shape {odds.shape}, least {odds.min(initial=1)}; apply the softmax first"
            )
        return whole

    def _counted(self, found: Labels, label: Labels, field: Mask | None) -> Mask:
        check_alike(label, found, field)
        most = max(int(label.max(initial=0)), int(found.max(initial=0)))
        if most >= self.classes or found.min(initial=0) < 0:
            raise ValueError(
                f"segment tally: expected classes from 0 to {self.classes - 1}, found {most}; turn "
                "labels of objects into classes first"
            )
        return label >= 0 if field is None else (label >= 0) & field

    def _count_odds(self, odds: Probabilities, label: Labels) -> None:
        with np.errstate(divide="ignore"):
            values = odds.astype(np.float64)
            log_odds = np.log(values) - np.log1p(-np.minimum(values, 1))
        for one in range(self.classes):
            places = separation.bin_of(log_odds[one], self.bins)
            own = label == one
            self.of_class[one] += np.bincount(places[own], minlength=self.bins)
            self.of_others[one] += np.bincount(places[~own], minlength=self.bins)

    def _keep(self, name: str, found: Labels, label: Labels) -> SegmentRow:
        codes = label.astype(np.int64) * self.classes + found
        pixels = np.bincount(codes, minlength=self.classes**2)
        row = SegmentRow(name, pixels.reshape(self.classes, self.classes))
        self.rows = _sorted([*self.rows, row])
        return row

    def _shape(self) -> tuple[int, float | None, int]:
        return self.classes, self.threshold, self.bins


def _sorted(rows: Iterable[SegmentRow]) -> tuple[SegmentRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.name))

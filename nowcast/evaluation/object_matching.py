"""How many objects of a picture are found, as sums of pictures that add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nowcast.evaluation.confusion import Counts, Scores, share
from nowcast.evaluation.overlaps import Labels, Mask, Overlaps, overlaps
from nowcast.evaluation.tracking_scores import DetectionCosts, det, detection_costs, seg, seg_sum

IOUS = tuple(percent / 100 for percent in range(50, 100, 5))


@dataclass(frozen=True)
class ObjectRow:
    """Objects of one picture.

    Args:
        name: Of the picture.
        true_objects: How many there are.
        found_objects: How many were found.
        matched: Pairs of a true and a found object whose IoU is above each of `IOUS`.
        jaccard_sum: The sum of SEG.
        costs: Of DET.
    """

    name: str
    true_objects: int
    found_objects: int
    matched: tuple[int, ...]
    jaccard_sum: float
    costs: DetectionCosts

    @classmethod
    def of(cls, name: str, held: Overlaps) -> ObjectRow:
        """The row of a picture."""
        matched = (held.iou[:, None] > np.array(IOUS)).sum(0)
        return cls(
            name,
            len(held.true_labels),
            len(held.found_labels),
            tuple(matched.tolist()),
            seg_sum(held),
            detection_costs(held),
        )

    @property
    def f1(self) -> float:
        """F1 at IoU 0.5, as `ObjectTally.f1`."""
        return float(share(2 * self.matched[0], self.true_objects + self.found_objects))

    @property
    def average_precision(self) -> float:
        """Mean over `IOUS`, as `ObjectTally.mean_average_precision`."""
        matched = np.array(self.matched)
        return float(share(matched, self.true_objects + self.found_objects - matched).mean())


class ObjectTally:
    """Rows of pictures; a + b is the tally of both, the same in any order and any parts.

    A true and a found object match at a limit of 0.5 or more if their IoU is above it; then each
    object has one match at most, and matches need no search.
    """

    def __init__(self, rows: Iterable[ObjectRow] = ()) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: row.name))

    def update(
        self, truth: Labels, found: Labels, *, name: str = "", field: Mask | None = None
    ) -> ObjectRow:
        """Add a picture.

        Args:
            truth: (H, W) objects from 1, background 0, −1 where a pixel does not count.
            found: (H, W) objects from 1, background 0.
            name: Of the picture.
            field: (H, W) which pixels count, all if none is given; objects are cut at its edge.

        Returns:
            Its row.

        Raises:
            ValueError: If shapes differ or a found label is below 0.
        """
        row = ObjectRow.of(name, overlaps(truth, found, field))
        self.rows = ObjectTally([*self.rows, row]).rows
        return row

    def __add__(self, other: ObjectTally) -> ObjectTally:
        return ObjectTally([*self.rows, *other.rows])

    @property
    def true_objects(self) -> int:
        """Of all pictures."""
        return sum(row.true_objects for row in self.rows)

    @property
    def found_objects(self) -> int:
        """Of all pictures."""
        return sum(row.found_objects for row in self.rows)

    @property
    def matched(self) -> Counts:
        """(10,) pairs of all pictures whose IoU is above each of `IOUS`."""
        pairs = np.array([row.matched for row in self.rows], np.int64).reshape(-1, len(IOUS))
        return np.asarray(pairs.sum(0))

    def precision(self) -> Scores:
        """(10,) share of the found objects that match, at each of `IOUS`.

        Range 0 to 1, best 1. Undefined: NaN if nothing was found.
        """
        return share(self.matched, self.found_objects)

    def recall(self) -> Scores:
        """(10,) share of the true objects that match, at each of `IOUS`.

        Range 0 to 1, best 1. Undefined: NaN without true objects.
        """
        return share(self.matched, self.true_objects)

    def f1(self) -> Scores:
        """(10,) harmonic mean of precision and recall over the objects of all pictures.

        Formula: 2 TP / (2 TP + FP + FN). Range 0 to 1, best 1. Also called: recognition
        quality (at 0.5).

        Undefined: NaN if there are no objects and none was found.

        Source: Caicedo et al., 2019, Nature Methods, doi:10.1038/s41592-019-0612-7.
        """
        return share(2 * self.matched, self.true_objects + self.found_objects)

    def mean_average_precision(self) -> float:
        """Score of the Data Science Bowl 2018: no ranking of objects enters it.

        Formula: TP / (TP + FP + FN), the mean over `IOUS` in each picture, then over pictures.
        Range 0 to 1, best 1; 0 for a picture without objects where some were found. Also called:
        mean threat score.

        Missing: Pictures without objects where none was found are left out.

        Undefined: NaN if no picture is left.
        """
        scores = np.array([row.average_precision for row in self.rows])
        known = scores[~np.isnan(scores)]
        return float(known.mean()) if len(known) else np.nan

    def seg(self) -> float:
        """SEG over the true objects of all pictures, by `tracking_scores.seg`."""
        return seg(sum(row.jaccard_sum for row in self.rows), self.true_objects)

    def det(self) -> float:
        """DET over the true objects of all pictures, by `tracking_scores.det`."""
        return det(sum(row.costs.cost for row in self.rows), self.true_objects)

    def count_error(self) -> float:
        """Mean over pictures of |found − true objects|. Range 0 to infinity, best 0.

        Undefined: NaN without pictures.
        """
        return float(share(np.abs(self._surplus()).sum(), len(self.rows)))

    def count_bias(self) -> float:
        """Mean over pictures of found − true objects; above 0 too many were found.

        Undefined: NaN without pictures.
        """
        return float(share(self._surplus().sum(), len(self.rows)))

    def _surplus(self) -> Counts:
        return np.array([row.found_objects - row.true_objects for row in self.rows], np.int64)

"""Segmentation and detection measures of the cell-tracking challenge, from overlaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nowcast.evaluation.confusion import share
from nowcast.evaluation.overlaps import Overlaps

SPLIT_COST, MISSED_COST, FALSE_COST = 5, 10, 1


class DetectionCosts(NamedTuple):
    """What it takes to turn the found objects into the true ones.

    Args:
        splits: Found objects to be cut: one that covers k true ones counts k − 1.
        missed: True objects to be added: no found one covers more than half of it.
        false: Found objects to be deleted: it covers more than half of no true one.
    """

    splits: int
    missed: int
    false: int

    @property
    def cost(self) -> int:
        """AOGM-D: 5 splits + 10 missed + 1 false."""
        return SPLIT_COST * self.splits + MISSED_COST * self.missed + FALSE_COST * self.false


def seg_sum(overlaps: Overlaps) -> float:
    """Σ over true objects of the IoU with the found one that covers more than half of it, or 0."""
    return float(overlaps.iou[_covering(overlaps)].sum())


def seg(jaccard_sum: float, true_objects: int) -> float:
    """SEG: how well true objects are outlined, on average; a missed one counts 0.

    Formula: Σ |R ∩ S| / |R ∪ S| / true objects, S the found object with |R ∩ S| > ½ |R|, of which
    there is one at most. Range 0 to 1, best 1. False objects do not lower it.

    Undefined: NaN without true objects.

    Source: Maška et al., 2014, Bioinformatics 30, 1609-1617, doi:10.1093/bioinformatics/btu080.
    """
    return float(share(jaccard_sum, true_objects))


def detection_costs(overlaps: Overlaps) -> DetectionCosts:
    """Count splits, missed and false objects; a found object covers a true one if it holds more
    than half of its pixels."""
    covering = _covering(overlaps)
    covered = np.bincount(overlaps.found[covering], minlength=len(overlaps.found_labels))
    return DetectionCosts(
        int(np.maximum(covered - 1, 0).sum()),
        len(overlaps.true_labels) - int(covering.sum()),
        int((covered == 0).sum()),
    )


def det(cost: int, true_objects: int) -> float:
    """DET: how well true objects are found, whatever their outline.

    Formula: 1 − min(AOGM-D, AOGM-D₀) / AOGM-D₀, with AOGM-D₀ = 10 · true objects, the cost where
    nothing is found. Range 0 to 1, best 1.

    Undefined: NaN without true objects.

    Source: Matula et al., 2015, PLOS ONE 10, e0144959, doi:10.1371/journal.pone.0144959;
    normalised as in https://celltrackingchallenge.net/evaluation-methodology/.
    """
    from_nothing = MISSED_COST * true_objects
    return 1 - float(share(min(cost, from_nothing), from_nothing))


def _covering(overlaps: Overlaps) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return 2 * overlaps.pixels > overlaps.true_area[overlaps.true]

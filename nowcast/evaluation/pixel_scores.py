"""Scores of a segmentation pixel by pixel.

A confusion matrix here is int64 counts of pixels (K, K): a row for each true class, a column for
each class that was found.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from nowcast.evaluation.confusion import Counts, Scores, share
from nowcast.evaluation.separation import REACH


def iou(confusion: Counts) -> Scores:
    """(K,) intersection over union of the true and the found pixels of each class.

    Formula: TP / (TP + FP + FN) = Dice / (2 − Dice). Range 0 to 1, best 1. Also called: Jaccard
    index, critical success index.

    Undefined: NaN for a class that no pixel has and none was taken for.
    """
    hits = np.diagonal(confusion)
    return share(hits, confusion.sum(0) + confusion.sum(1) - hits)


def pixel_error(confusion: Counts) -> float:
    """Share of the pixels whose class is wrong: 1 − accuracy. Range 0 to 1, best 0.

    Undefined: NaN without pixels.
    """
    return float(share(confusion.sum() - np.trace(confusion), confusion.sum()))


def specificity(confusion: Counts) -> Scores:
    """(K,) share of the pixels of other classes that were not taken for the class.

    Formula: TN / (TN + FP). Range 0 to 1, best 1. Also called: true negative rate.

    Undefined: NaN for a class that all pixels have.
    """
    others = confusion.sum() - confusion.sum(1)
    false = confusion.sum(0) - np.diagonal(confusion)
    return share(others - false, others)


def dice_by_threshold(of_class: Counts, of_others: Counts) -> tuple[Scores, Scores]:
    """Dice of a class if pixels are taken for it from a probability on.

    Args:
        of_class: (bins,) pixels of the class by `separation.bin_of` its log-odds.
        of_others: (bins,) pixels of other classes.

    Returns:
        (bins,) the lower ends of the bins as rising probabilities, and the Dice of each.

    Undefined: NaN where there are no pixels of the class and none is taken for it.
    """
    bins = len(of_class)
    edges = expit(np.arange(bins) * (2 * REACH / bins) - REACH)
    taken = [counts[::-1].cumsum()[::-1] for counts in (of_class, of_others)]
    return edges, share(2 * taken[0], taken[0] + taken[1] + of_class.sum())

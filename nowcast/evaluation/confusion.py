"""Scores of a confusion matrix: int64 counts (K, K), a row for each label, a column for each class
that was predicted."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]
Average = Literal["macro", "weighted"]


def accuracy(confusion: Counts) -> float:
    """Share of the images whose class was right.

    Formula: trace / sum. Range 0 to 1, best 1.

    Undefined: NaN without images.
    """
    return float(share(np.trace(confusion), confusion.sum()))


def precision(confusion: Counts) -> Scores:
    """(K,) share of the images taken for a class that are of it.

    Formula: true positives / predicted. Range 0 to 1, best 1. Also called: success ratio, positive
    predictive value.

    Undefined: NaN for a class that no image was taken for.
    """
    return share(np.diagonal(confusion), confusion.sum(0))


def recall(confusion: Counts) -> Scores:
    """(K,) share of a class's images that were taken for it.

    Formula: true positives / labelled. Range 0 to 1, best 1. Also called: probability of detection,
    sensitivity.

    Undefined: NaN for a class without images.
    """
    return share(np.diagonal(confusion), confusion.sum(1))


def f1(confusion: Counts) -> Scores:
    """(K,) harmonic mean of precision and recall.

    Formula: 2 TP / (2 TP + FP + FN). Range 0 to 1, best 1. Also called: Dice coefficient.

    Undefined: NaN for a class that no image has and none was taken for.
    """
    return share(2 * np.diagonal(confusion), confusion.sum(0) + confusion.sum(1))


def averaged(scores: Scores, confusion: Counts, average: Average) -> float:
    """One score of all classes: each counts alike (macro) or by its images (weighted).

    Missing: Classes whose score is NaN are left out.

    Undefined: NaN if none is left.
    """
    weight = confusion.sum(1) if average == "weighted" else np.ones(len(scores))
    known = np.isfinite(scores)
    return float(share((weight * scores)[known].sum(), weight[known].sum()))


def matthews_correlation(confusion: Counts) -> float:
    """Correlation of label and predicted class; 0 for guessing whatever the balance of classes.

    Formula: (c s − Σ p t) / √((s² − Σ p²)(s² − Σ t²)), with c right of s images, and p predicted
    and t labelled of each class. Range −1 to 1, best 1.

    Undefined: NaN if all images are of one class, or all were taken for one.

    Source: Gorodkin, 2004, Computational Biology and Chemistry 28, 367-374,
    doi:10.1016/j.compbiolchem.2004.09.006.
    """
    counts = confusion.astype(np.float64)
    whole, predicted, labelled = counts.sum(), counts.sum(0), counts.sum(1)
    together = np.trace(counts) * whole - predicted @ labelled
    spread = (whole**2 - predicted @ predicted) * (whole**2 - labelled @ labelled)
    return float(share(together, np.sqrt(spread)))


def wilson_interval(right: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Where a share of independent cases lies at a level of confidence, also near 0 and 1.

    Undefined: NaN without cases.

    Source: Wilson, 1927, Journal of the American Statistical Association 22, 209-212,
    doi:10.1080/01621459.1927.10502953.
    """
    if not count:
        return np.nan, np.nan
    z = float(ndtri((1 + level) / 2))
    middle = (right + z**2 / 2) / (count + z**2)
    reach = z / (count + z**2) * np.sqrt(right * (count - right) / count + z**2 / 4)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def most_confused(confusion: Counts, keep: int) -> list[tuple[int, int, int]]:
    """The largest counts of mistakes as (label, predicted, count), largest first; none of 0."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:keep]
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    pairs = [(int(label), int(taken), int(wrong[label, taken])) for label, taken in places]
    return [pair for pair in pairs if pair[2]]


def share(part: object, whole: object) -> Scores:
    """Part ÷ whole. Undefined: NaN where the whole is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    shares = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=shares, where=wholes != 0)
    return shares

"""Whether a network is right as often as it says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.confusion import Counts, Scores, share


class Reliability(NamedTuple):
    """By bin of confidence, (bins,) each: images, mean confidence and share that was right.

    Undefined: NaN in both where a bin is empty.
    """

    images: Counts
    confidence: Scores
    accuracy: Scores


def bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each confidence: evenly from 0 to 1, each with its upper end."""
    places: NDArray[np.int64] = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    return places


def reliability(images: Counts, right: Counts, confidence_sum: Scores) -> Reliability:
    """From sums by bin of confidence."""
    return Reliability(images, share(confidence_sum, images), share(right, images))


def calibration_error(held: Reliability) -> float:
    """Expected calibration error: how far confidence is from accuracy, on average over images.

    Formula: Σ images of a bin / images · |accuracy − confidence|. Range 0 to 1, best 0. It grows
    with the number of bins, and few images in a bin make it too large.

    Undefined: NaN without images.

    Source: Guo et al., 2017, Proceedings of Machine Learning Research 70, 1321-1330,
    https://proceedings.mlr.press/v70/guo17a.html.
    """
    gaps = np.abs(held.accuracy - held.confidence)
    return float(share(np.nansum(held.images * gaps), held.images.sum()))


def overconfidence(held: Reliability) -> float:
    """Mean confidence less accuracy. Range −1 to 1, best 0; above 0 it is too sure.

    Undefined: NaN without images.
    """
    gaps = held.confidence - held.accuracy
    return float(share(np.nansum(held.images * gaps), held.images.sum()))

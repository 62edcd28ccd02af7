"""How well a score sets one class apart from the others, from histograms of the score.

The score is the log-odds of the class, ln p − ln(1 − p), which orders images as its probability p
does but does not run out of digits near 0 and 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.confusion import Counts, Scores, share

REACH = 32.0


def bin_of(log_odds: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin of each value, any shape: evenly from −REACH to REACH, beyond it the end bins."""
    places = np.floor((np.clip(log_odds, -REACH, REACH) + REACH) * (bins / (2 * REACH)))
    return np.minimum(places, bins - 1).astype(np.int64)


def roc(of_class: Counts, of_others: Counts) -> tuple[Scores, Scores]:
    """Receiver operating characteristic: false and true positive rate as the limit falls.

    Args:
        of_class: (bins,) images of the class by bin of its score.
        of_others: (bins,) images of other classes.

    Returns:
        Both rates from 0 to 1, bins without images left out.

    Undefined: NaN where there are no images of the class, or none of others.
    """
    filled = np.flatnonzero(of_class + of_others)[::-1]
    rates = [
        share(np.concatenate([[0], counts[filled].cumsum()]), counts.sum())
        for counts in (of_others, of_class)
    ]
    return rates[0], rates[1]


def auc(of_class: Counts, of_others: Counts) -> float:
    """Area under the ROC curve: how often an image of the class scores above one of others.

    Formula: Σ (others below + half of others in the same bin) / pairs. Range 0 to 1, best 1; 0.5 is
    guessing. Binning errs by `auc_error` at most.

    Undefined: NaN where there are no images of the class, or none of others.

    Source: Hanley and McNeil, 1982, Radiology 143, 29-36, doi:10.1148/radiology.143.1.7063747.
    """
    own, others = of_class.astype(np.float64), of_others.astype(np.float64)
    below = others.cumsum() - others
    return float(share((own * (below + others / 2)).sum(), own.sum() * others.sum()))


def auc_error(of_class: Counts, of_others: Counts) -> float:
    """The most that the binned area can differ from that of the scores themselves.

    Formula: ½ Σ pairs in the same bin / pairs: a bin hides which of two is above.

    Undefined: As the area.
    """
    own, others = of_class.astype(np.float64), of_others.astype(np.float64)
    return float(share((own * others).sum() / 2, own.sum() * others.sum()))

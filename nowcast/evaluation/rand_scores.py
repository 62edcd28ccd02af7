"""How alike two partitions of a picture into cells are, over the true cells' pixels only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nowcast.evaluation.confusion import Scores
from nowcast.evaluation.overlaps import Labels, Mask, contingency

ROUNDING = 1e-12


class RandScores(NamedTuple):
    """Scores of one picture, all from 0 to 1, best 1.

    V-Rand is the harmonic mean of `rand_split` (lowered where one cell is found as several) and
    `rand_merge` (lowered where several are found as one); V-Info likewise. Split scores are also
    called recall, merge scores precision.

    Undefined: All NaN without true cells.
    """

    v_rand: float
    rand_split: float
    rand_merge: float
    v_info: float
    info_split: float
    info_merge: float


@dataclass(frozen=True)
class PartitionSums:
    """Of the n pixels of the true cells: ordered pairs of pixels, each with itself too, and
    entropies in nats.

    A found background pixel is a segment of its own.
    """

    pixels: int
    same_both: float
    same_true: float
    same_found: float
    both_entropy: float
    true_entropy: float
    found_entropy: float

    @property
    def mutual_information(self) -> float:
        """I(S; T) = H(S) + H(T) − H(S, T) in nats."""
        return self.true_entropy + self.found_entropy - self.both_entropy


def partition_sums(truth: Labels, found: Labels, field: Mask | None = None) -> PartitionSums:
    """Sums over the pixels whose true label is above 0.

    Args:
        truth: (H, W) cells from 1, borders 0, −1 where a pixel does not count.
        found: (H, W) cells from 1, borders 0.
        field: (H, W) which pixels count, all if none is given.

    Raises:
        ValueError: If shapes differ or a found label is below 0.
    """
    table = contingency(truth, found, field)
    inside, segment = table.true > 0, table.found > 0
    both = table.pixels[inside & segment].astype(np.float64)
    alone = float(table.pixels[inside & ~segment].sum())
    true = _totals(table.true[inside], table.pixels[inside])
    found_sizes = _totals(table.found[inside & segment], both)
    count = float(true.sum())
    return PartitionSums(
        int(count),
        float(both @ both) + alone,
        float(true @ true),
        float(found_sizes @ found_sizes) + alone,
        _entropy(both, count),
        _entropy(true, count),
        _entropy(found_sizes, count),
    )


def rand_scores(truth: Labels, found: Labels, field: Mask | None = None) -> RandScores:
    """Foreground-restricted Rand and information-theoretic scores of one picture.

    Formulas, with p the share of pixels in found segment i and true cell j, s its sum over j and t
    over i: V-Rand = Σ p² / (½ Σ s² + ½ Σ t²), split = Σ p² / Σ t², merge = Σ p² / Σ s²;
    V-Info = I(S; T) / (½ H(S) + ½ H(T)), split = I / H(S), merge = I / H(T). Only pixels of the
    true cells count. A found border pixel in one is a segment of its own, as in the challenge.

    Args:
        truth: As in `partition_sums`.
        found: As in `partition_sums`.
        field: As in `partition_sums`.

    Undefined: NaN without true cells. A split score is 1 if all was found as one segment, a merge
    score 1 if there is one true cell only, for then nothing can be split or merged; the
    challenge's own program gives V-Info 0 where both hold.

    Raises:
        ValueError: As `partition_sums`.

    Source: Arganda-Carreras et al., 2015, Frontiers in Neuroanatomy 9, 142,
    doi:10.3389/fnana.2015.00142.
    """
    return _scores(partition_sums(truth, found, field))


def _scores(sums: PartitionSums) -> RandScores:
    if not sums.pixels:
        return RandScores(*[np.nan] * 6)
    split, merge = sums.same_both / sums.same_true, sums.same_both / sums.same_found
    shared = max(sums.mutual_information, 0.0)
    info_split = min(shared / sums.found_entropy, 1.0) if sums.found_entropy else 1.0
    info_merge = min(shared / sums.true_entropy, 1.0) if sums.true_entropy else 1.0
    return RandScores(
        _harmonic(split, merge),
        split,
        merge,
        _harmonic(info_split, info_merge),
        *(info_split, info_merge),
    )


def _harmonic(here: float, there: float) -> float:
    return 2 * here * there / (here + there) if here + there else 0.0


def _totals(labels: Labels, pixels: Labels | Scores) -> Scores:
    _, places = np.unique(labels, return_inverse=True)
    totals: Scores = np.bincount(places, pixels).astype(np.float64)
    return totals


def _entropy(sizes: Scores, count: float) -> float:
    """In nats, of segments of those sizes; the rest of `count` are segments of one pixel."""
    if not count:
        return 0.0
    entropy = float(np.log(count) - (sizes @ np.log(sizes)) / count)
    return entropy if entropy > ROUNDING else 0.0

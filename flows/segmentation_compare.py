"""Recipes beside each other on the same test pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

COMPARED = ("dice", "f1", "merged", "merged_unseparated", "split", "missed", "false", "v_rand")


@dataclass(frozen=True)
class PairedPictures:
    """A number of two recipes, picture by picture.

    Args:
        first: The first one's total of a count, its mean of a score.
        second: The second one's.
        first_higher: Pictures on which the first one's is higher.
        second_higher: Pictures on which the second one's is.
        p_value: Of the sign test: how often chance alone parts equal recipes so far or farther;
            1 where they are alike on every picture.
    """

    first: float
    second: float
    first_higher: int
    second_higher: int
    p_value: float


def compare_pictures(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> dict[str, PairedPictures]:
    """What both have of COMPARED, paired by picture; those undefined for one are left out.

    Args:
        first: A row a picture, with its name as "picture".
        second: The same pictures in any order.

    Raises:
        ValueError: If the pictures are not the same.
    """
    theirs = {row["picture"]: row for row in second}
    if sorted(theirs) != sorted(row["picture"] for row in first):
        raise ValueError(
            f"comparison: expected the same pictures of both, found {len(first)} and {len(second)} "
            "with other names; evaluate both on one split"
        )
    pairs = [(row, theirs[row["picture"]]) for row in first]
    return {
        name: _compared([(mine[name], other[name]) for mine, other in pairs])
        for name in COMPARED
        if all(name in mine and name in other for mine, other in pairs)
    }


def _compared(values: Sequence[tuple[float, float]]) -> PairedPictures:
    table = np.array(values, float).reshape(-1, 2)
    table = table[np.isfinite(table).all(1)]
    higher = int((table[:, 0] > table[:, 1]).sum())
    lower = int((table[:, 0] < table[:, 1]).sum())
    p_value = float(binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0
    counts = all(isinstance(value, int) for pair in values for value in pair)
    whole = table.sum(0) if counts else table.mean(0) if len(table) else np.full(2, np.nan)
    return PairedPictures(float(whole[0]), float(whole[1]), higher, lower, p_value)

"""Runs beside each other, picture by picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from nowcast.report.wording import number

# name of a row's number → what it is called, whether it adds, whether more is better
COMPARED = {
    "f1": ("F1", False, True),
    "v_rand": ("V-Rand", False, True),
    "v_info": ("V-Info", False, True),
    "dice": ("Dice", False, True),
    "pixel_error": ("Pixel error, %", False, False),
    "merged": ("Merged", True, False),
    "merged_unseparated": ("Merged, not separated", True, False),
    "split": ("Split", True, False),
    "missed": ("Missed", True, False),
    "false": ("False", True, False),
}
SURE = 0.05
FEWEST = 6  # of fewer pictures not even all together make a sign test sure


@dataclass(frozen=True)
class Pair:
    """One number of two runs over the pictures that both have.

    Args:
        name: Of the number in the rows.
        first: Sum of a count, mean of a score.
        second: Of the other run.
        better: Pictures on which the first is better.
        worse: Pictures on which it is worse.
        pictures: How many are compared.
        p_value: Of the exact sign test: how often chance alone parts equal runs so far; it takes
            pictures as independent. None for fewer than FEWEST pictures.
    """

    name: str
    first: float
    second: float
    better: int
    worse: int
    pictures: int
    p_value: float | None

    @property
    def title(self) -> str:
        """For readers."""
        return COMPARED[self.name][0]

    @property
    def counts(self) -> bool:
        """Whether it is a count of objects."""
        return COMPARED[self.name][1]

    @property
    def sure(self) -> bool:
        """Whether chance alone does this in less than one case of twenty."""
        return self.p_value is not None and self.p_value < SURE

    def shown(self, value: float) -> str:
        """One of its numbers in words."""
        if self.name == "pixel_error":
            return number(100 * value, 2)
        return number(value, 0 if self.counts else 4)

    @property
    def chance(self) -> str:
        """The p-value in words."""
        if self.p_value is None:
            return "too few pictures to tell"
        return "< 0.001" if self.p_value < 0.001 else f"{self.p_value:.2g}"


def compare_pictures(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[Pair]:
    """All numbers that both have of pictures that both have, those not defined left out.

    Args:
        first: A row a picture, with its name as "picture".
        second: Of the other run, in any order.
    """
    theirs = {str(row["picture"]): row for row in second}
    pairs = [(row, theirs[str(row["picture"])]) for row in first if str(row["picture"]) in theirs]
    compared = [_pair(name, pairs) for name in COMPARED]
    return [pair for pair in compared if pair is not None]


def _pair(name: str, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Pair | None:
    known = [
        (float(here[name]), float(there[name]))
        for here, there in rows
        if _known(here.get(name)) and _known(there.get(name))
    ]
    if not known:
        return None
    table = np.array(known)
    _, adds, rising = COMPARED[name]
    gap = (table[:, 0] - table[:, 1]) * (1 if rising else -1)
    better, worse = int((gap > 0).sum()), int((gap < 0).sum())
    chance = _sign_test(better, worse) if len(table) >= FEWEST else None
    whole = table.sum(0) if adds else table.mean(0)
    return Pair(name, float(whole[0]), float(whole[1]), better, worse, len(table), chance)


def _sign_test(better: int, worse: int) -> float:
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))

"""The confusion matrix and the scores of each class, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.class_tally import ClassTally
from nowcast.evaluation.confusion import Average, Counts, Scores, most_confused
from nowcast.report.classes.words import grouped, per_cent
from nowcast.report.wording import number

WIDEST = 25
FEW = 5
PAIRS = 8
MOST_ROWS, SHOWN_ROWS = 60, 30
DECIMALS = (3, 3, 3, 4)
STRONGEST = 60


@dataclass(frozen=True)
class Cell:
    """Images of one label taken for one class; strength 0 to STRONGEST is how strong its colour."""

    count: int
    share: str
    strength: int
    right: bool
    tip: str


@dataclass(frozen=True)
class Pair:
    """Two classes that are mixed up."""

    label: str
    predicted: str
    count: int
    share: str


@dataclass(frozen=True)
class ClassRow:
    """The scores of one class, or an average of all."""

    name: str
    cells: tuple[str, ...]
    worst: tuple[bool, ...] = ()


AVERAGES: tuple[tuple[str, Average], ...] = (
    ("Mean of classes", "macro"),
    ("Mean of images", "weighted"),
)
SCORES = ("Precision", "Recall", "F1", "ROC area")


def make_matrix(tally: ClassTally, classes: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """(label, cells by predicted class) for each label; none where there are too many classes."""
    if tally.classes > WIDEST:
        return []
    counts, support = tally.confusion(), tally.support
    return [
        (name, [_cell(counts[n], int(support[n]), n, m, classes) for m in range(tally.classes)])
        for n, name in enumerate(classes)
    ]


def _cell(row: Counts, support: int, label: int, taken: int, classes: Sequence[str]) -> Cell:
    count = int(row[taken])
    share = count / support if support else 0.0
    strength = round(STRONGEST * float(np.sqrt(share)))
    told = per_cent(share)
    says = "rightly named" if label == taken else f"taken for {classes[taken]}"
    tip = f"{count} of {support} of {classes[label]} {says} ({told})"
    rounded = "0" if not count else f"{100 * share:.1f}"
    return Cell(count, rounded, strength, label == taken, tip)


def make_pairs(tally: ClassTally, classes: Sequence[str], keep: int = PAIRS) -> list[Pair]:
    """The commonest mistakes, the commonest first."""
    support = tally.support
    return [
        Pair(classes[label], classes[taken], count, per_cent(count / int(support[label])))
        for label, taken, count in most_confused(tally.confusion(), keep)
    ]


def make_class_rows(tally: ClassTally, classes: Sequence[str]) -> list[ClassRow]:
    """Scores of each class by label, the lowest of each column marked, and their averages.

    Of more than MOST_ROWS classes only those of the lowest F1, the lowest first.
    """
    columns = [tally.precision(), tally.recall(), tally.f1(), tally.auc()]
    marks = [
        _lowest(scores.round(places)) for scores, places in zip(columns, DECIMALS, strict=True)
    ]
    labels = list(range(tally.classes))
    if tally.classes > MOST_ROWS:
        labels = np.argsort(tally.f1(), kind="stable")[:SHOWN_ROWS].tolist()
    rows = [
        ClassRow(
            classes[n],
            (grouped(int(tally.support[n])), *_texts([float(scores[n]) for scores in columns])),
            (False, *(bool(marked[n]) for marked in marks)),
        )
        for n in labels
    ]
    return [*rows, *_averages(tally, columns)]


def _lowest(values: Scores) -> NDArray[np.bool_]:
    """Which are the lowest; none where all are as low."""
    known = np.isfinite(values)
    lowest: NDArray[np.bool_] = known & (values == np.min(values, where=known, initial=np.inf))
    return lowest & (not lowest[known].all())


def _texts(scores: Sequence[float]) -> list[str]:
    return [number(score, places) for score, places in zip(scores, DECIMALS, strict=True)]


def _averages(tally: ClassTally, columns: Sequence[Scores]) -> list[ClassRow]:
    return [
        ClassRow(
            title,
            (
                grouped(tally.images),
                *_texts([tally.averaged(scores, average) for scores in columns]),
            ),
        )
        for title, average in AVERAGES
    ]

"""A trained network on whole test pictures: tallies, a row a picture, the worst ones kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flows.segmentation.answers import Answer
from flows.segmentation.tuning import HOLE, SIZES, Tuned
from nowcast.evaluation import (
    MembraneTally,
    ObjectErrors,
    ObjectTally,
    SegmentTally,
    object_errors,
)
from nowcast.evaluation.membrane_tally import grown, parted
from nowcast.evaluation.overlaps import Labels
from nowcast.instances import Separation, separate

KEPT, KEPT_PIXELS = 24, 40_000_000
UNSEPARATED = Separation("components", min_size=SIZES[0], hole_size=HOLE)


@dataclass(frozen=True)
class Judged:
    """One test picture.

    Args:
        answer: The picture and its probabilities.
        found: (H, W) classes that were found, 0 where pixels do not count.
        objects: (H, W) objects or cells that were found, from 1; None of plain classes.
        truth: (H, W) the true ones.
        errors: What became of each of them.
        numbers: Its scores by name.
        score: By which pictures are ordered: F1 of objects, V-Rand of cells, else Dice.
    """

    answer: Answer
    found: Labels = field(repr=False)
    objects: Labels | None = field(repr=False)
    truth: Labels | None = field(repr=False)
    errors: ObjectErrors | None = field(repr=False)
    numbers: Mapping[str, Any]
    score: float


class Jury:
    """Judges pictures one by one.

    Args:
        classes: How many there are.
        tuned: Chosen on other pictures.
    """

    def __init__(self, classes: int, tuned: Tuned) -> None:
        self.tuned = tuned
        self.pixels = SegmentTally(classes, threshold=tuned.threshold)
        self.second = SegmentTally(classes)
        self.objects = ObjectTally() if tuned.separation else None
        self.unseparated = ObjectTally() if tuned.separation else None
        self.membranes = MembraneTally() if tuned.membrane is not None else None
        self.rows: list[dict[str, Any]] = []
        self.kept: list[Judged] = []
        self.seconds, self.area = 0.0, 0

    def hear(self, answers: Iterable[Answer], write: Callable[[Judged], None]) -> None:
        """Judge all pictures; those of the lowest scores are kept, KEPT or KEPT_PIXELS at most.

        Args:
            answers: Of the test pictures.
            write: Called with each, in their order.
        """
        for answer in answers:
            judged = self._judge(answer)
            write(judged)
            self.seconds += answer.seconds
            self.area += answer.classes.size
            self.rows.append(dict(judged.numbers))
            self.kept = _worst([*self.kept, judged])
        self.rows.sort(key=lambda row: (_nan_first(row["score"]), row["picture"]))

    def _judge(self, answer: Answer) -> Judged:
        numbers = self._pixels(answer)
        objects, truth, errors = None, None, None
        if self.objects is not None:
            objects, truth = self._separated(answer, numbers), answer.label
        elif self.membranes is not None:
            objects, truth = self._cells(answer, numbers)
        if objects is not None and truth is not None:
            errors = object_errors(truth, objects, answer.counted)
            numbers |= errors.counts()
        score = float(numbers.get("f1", numbers.get("v_rand", numbers["dice"])))
        numbers = {"picture": answer.name, "score": score, **numbers}
        return Judged(answer, self._found(answer), objects, truth, errors, numbers, score)

    def _pixels(self, answer: Answer) -> dict[str, Any]:
        name, field = answer.name, answer.counted
        row = self.pixels.update(answer.odds, answer.classes, name=name, field=field)
        numbers = {
            "dice": float(np.nanmean(row.dice[1:])) if np.isfinite(row.dice[1:]).any() else np.nan,
            "pixel_error": row.pixel_error,
        }
        if answer.second is not None:
            other = self.second.update_classes(
                answer.second, answer.classes, name=name, field=field
            )
            numbers["second_dice"] = float(np.nanmean(other.dice[1:]))
        return numbers

    def _separated(self, answer: Answer, numbers: dict[str, Any]) -> Labels:
        if self.objects is None or self.unseparated is None or self.tuned.separation is None:
            raise ValueError(f"{answer.name}: expected a way to separate objects, found none")
        name, field = answer.name, answer.counted
        objects = separate(answer.separable, self.tuned.separation)
        row = self.objects.update(answer.label, objects, name=name, field=field)
        plain = separate(answer.odds, UNSEPARATED)
        self.unseparated.update(answer.label, plain, name=name, field=field)
        counts = object_errors(answer.label, plain, answer.counted).counts()
        numbers |= {
            "objects": row.true_objects,
            "objects_found": row.found_objects,
            "f1": row.f1,
            "average_precision": row.average_precision,
            "merged_unseparated": counts["merged"],
        }
        return objects

    def _cells(self, answer: Answer, numbers: dict[str, Any]) -> tuple[Labels, Labels]:
        if self.membranes is None or self.tuned.membrane is None:
            raise ValueError(f"{answer.name}: expected a threshold of membranes, found none")
        row = self.membranes.update(
            answer.odds[0], answer.classes, name=answer.name, field=answer.counted
        )
        scores = row.scores[self.membranes.thresholds.index(self.tuned.membrane)]
        numbers |= scores._asdict()
        found = grown(parted(answer.odds[0] < self.tuned.membrane))
        return found, np.where(answer.classes < 0, -1, parted(answer.classes > 0))

    def _found(self, answer: Answer) -> Labels:
        threshold = self.tuned.threshold
        found = answer.odds.argmax(0) if threshold is None else answer.odds[1] >= threshold
        return np.asarray(np.where(answer.counted, found, 0), np.int32)


def _worst(judged: Sequence[Judged]) -> list[Judged]:
    """Those of the lowest scores: at least one, and no more than memory is to hold."""
    ordered = sorted(judged, key=_order)[:KEPT]
    area = np.cumsum([each.found.size for each in ordered])
    return ordered[: max(int((area <= KEPT_PIXELS).sum()), 1)]


def _order(judged: Judged) -> tuple[float, str]:
    return _nan_first(judged.score), judged.answer.name


def _nan_first(score: float) -> float:
    return -1.0 if np.isnan(score) else score

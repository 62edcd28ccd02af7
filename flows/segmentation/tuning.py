"""What is chosen on the pictures of validation: thresholds, and how objects are separated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

import numpy as np

from flows.segmentation.answers import Answer, Answerer
from nowcast.evaluation import MembraneTally, SegmentTally
from nowcast.evaluation.pixel_scores import dice_by_threshold
from nowcast.instances import Separation, separations, tune_separation
from pipeline.masks import MaskSplit

PIXELS = 2_000_000
HOLE = 100
LIMITS = (0.3, 0.4, 0.5, 0.6)
SIZES = (10, 25)
GOLDEN = 0.618  # its multiples, less whole numbers, are spread evenly however many there are


@dataclass(frozen=True)
class Tuned:
    """Numbers that no test picture chose.

    Args:
        threshold: Of two classes, the probability from which a pixel is taken for the second;
            None for the most probable class.
        membrane: Probability of membrane below which a pixel is inside a cell.
        separation: How objects are made of probabilities.
        pictures: How many chose.
    """

    threshold: float | None = None
    membrane: float | None = None
    separation: Separation | None = None
    pictures: int = 0


def tune(answerer: Answerer, membranes: bool) -> Tuned:
    """Choose on the answerer's pictures, which must not be those of the test.

    The threshold of pixels is that of the largest mean Dice of the pictures, of membranes that of
    the fewest wrong pixels; the one that parts cells has the largest V-Rand.

    Args:
        answerer: Of pictures of validation; so many of them as PIXELS hold.
        membranes: Whether class 0 is membrane around cells.
    """
    split = answerer.samples.split
    answers = list(answerer.all(_some(split)))
    threshold = None
    if len(split.classes) == 2:
        tallies = [_tally(each) for each in answers]
        whole = sum(tallies[1:], tallies[0])
        best = least_error(whole) if membranes else largest_mean_dice(tallies)
        threshold = _known(best, 0.5)
    membrane = _membrane(answers) if membranes else None
    separation = _separation(answers) if split.kind == "instances" else None
    return Tuned(threshold, membrane, separation, len(answers))


def _tally(answer: Answer) -> SegmentTally:
    tally = SegmentTally(2)
    tally.update(answer.odds, answer.classes, name=answer.name, field=answer.counted)
    return tally


def largest_mean_dice(pictures: Sequence[SegmentTally]) -> float:
    """The probability from which pixels are taken for the second of two classes at best.

    The best has the largest mean over pictures of their own Dice; a picture without the class does
    not choose.

    Undefined: NaN where no picture has the class.
    """
    known = [one for one in pictures if one.of_class[1].any()]
    if not known:
        return math.nan
    curves = [dice_by_threshold(one.of_class[1], one.of_others[1]) for one in known]
    mean = np.mean([dice for _, dice in curves], axis=0)
    return float(curves[0][0][int(mean.argmax())])


def least_error(tally: SegmentTally) -> float:
    """The probability from which taking pixels for the second of two classes errs least often.

    Undefined: NaN without pixels.
    """
    own, others = tally.of_class[1], tally.of_others[1]
    if not (own.any() or others.any()):
        return math.nan
    edges, _ = dice_by_threshold(own, others)
    wrong = own.cumsum() - own + others[::-1].cumsum()[::-1]
    return float(edges[int(wrong.argmin())])


def candidates(outlined: bool) -> list[Separation]:
    """Ways to separate objects that are tried.

    Args:
        outlined: Whether outlines of objects are known as a class.
    """
    base = Separation(hole_size=HOLE)
    shared = {"threshold": LIMITS, "min_size": SIZES}
    if outlined:
        return separations(base, method=("border",), seed_threshold=(0.3, 0.5, 0.7, 0.85), **shared)
    return [
        *separations(base, method=("components",), **shared),
        *separations(base, method=("h_maxima",), h=(0.5, 1.0, 2.0), smooth=(1.0, 2.0), **shared),
    ]


def _membrane(answers: Sequence[Answer]) -> float:
    tally = MembraneTally()
    for each in answers:
        tally.update(each.odds[0], each.classes, name=each.name, field=each.counted)
    return _known(tally.best()[0], 0.5)


def _separation(answers: Sequence[Answer]) -> Separation:
    odds = [each.separable for each in answers]
    outlined = answers[0].inside is not None
    return tune_separation(odds, [each.label for each in answers], candidates(outlined))


def _some(split: MaskSplit) -> list[int]:
    """As many pictures, evenly spread, as PIXELS hold, and 2 where there are.

    Those that are too large for what is left are passed over.
    """
    sizes = [math.prod(split.size_of(i)) for i in range(len(split))]
    count = min(len(sizes), max(PIXELS // median_low(sizes), 2))
    spread = {round(k * (len(sizes) - 1) / max(count - 1, 1)) for k in range(count)}
    order = sorted(range(len(sizes)), key=lambda i: (i not in spread, i * GOLDEN % 1))
    chosen, left = list[int](), PIXELS
    for i in order:
        if sizes[i] <= left:
            chosen.append(i)
            left -= sizes[i]
    return sorted(chosen if len(chosen) > 1 else sorted(order, key=sizes.__getitem__)[:2])


def _known(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise

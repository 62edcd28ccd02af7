"""Tables of scores of a segmentation: pixels, membranes, objects; a row a run."""

from __future__ import annotations

import math

import numpy as np

from nowcast.evaluation.object_matching import IOUS, ObjectTally
from nowcast.report.segment.colours import FATES
from nowcast.report.segment.facts import SegmentFacts, SegmentRunFacts
from nowcast.report.segment.tables import Measure, ScoreTable, each, score_table
from nowcast.report.wording import number

BY_CLASS = {
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "auc": "AUC",
}


def score_tables(facts: SegmentFacts) -> list[ScoreTable]:
    """Those of what is known, what is asked of the pictures first."""
    pixels, cells, objects = pixel_table(facts), membrane_table(facts), object_table(facts)
    order = (cells, objects, fate_table(facts), pixels)
    return [table for table in order if table is not None]


def pixel_table(facts: SegmentFacts) -> ScoreTable:
    """Scores by pixel, with a second observer's where there is one."""
    tallies = [run.pixels for run in facts.runs]
    if facts.reference is not None:
        tallies.append(facts.reference)
    measures = [
        each("Dice", "mean of pictures", 4, 1, tallies, lambda one: of_all(one.mean_dice())),
        each("Dice", "all pixels", 4, 1, tallies, lambda one: of_all(one.dice())),
        each("IoU", "Jaccard", 4, 1, tallies, lambda one: of_all(one.iou())),
        each("Pixel error", "%", 2, 0, tallies, lambda one: 100 * one.pixel_error()),
        each("Sensitivity", "recall", 4, 1, tallies, lambda one: of_all(one.sensitivity())),
        each("Specificity", "", 4, 1, tallies, lambda one: of_all(one.specificity())),
        each("Precision", "", 4, 1, tallies, lambda one: of_all(one.precision())),
        each("AUC", "of ROC", 4, 1, tallies, lambda one: of_all(one.auc())),
    ]
    classes = facts.data.classes
    means = f"Means of all classes but {classes[0]}."
    which = f"Scores of the class {classes[1]}." if len(classes) == 2 else means
    return score_table(facts, "By pixel", f"{which} {_threshold_told(facts)}", measures)


def of_all(by_class: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """The mean over all classes but the first; NaN if none is known."""
    known = by_class[1:][np.isfinite(by_class[1:])]
    return float(known.mean()) if known.size else math.nan


def _threshold_told(facts: SegmentFacts) -> str:
    limit, chosen = facts.run.threshold, facts.run.chosen
    if limit is None:
        return "Each pixel is of the class that is most probable."
    by = f", chosen on {chosen}" if chosen else ""
    return f"A pixel counts as found from a probability of {limit:.3g}{by} ({facts.run.shown})."


def membrane_table(facts: SegmentFacts) -> ScoreTable | None:
    """How well membranes part cells."""
    if any(run.membranes is None for run in facts.runs):
        return None
    at = [
        run.membranes.at(run.membrane if run.membrane is not None else run.membranes.best()[0])
        for run in facts.runs
        if run.membranes is not None
    ]
    names = {
        "v_rand": ("V-Rand", ""),
        "rand_split": ("split", "V-Rand"),
        "rand_merge": ("merge", "V-Rand"),
        "v_info": ("V-Info", ""),
        "info_split": ("split", "V-Info"),
        "info_merge": ("merge", "V-Info"),
    }
    measures = [
        Measure(*names[name], 4, 1, tuple(getattr(one, name) for one in at)) for name in names
    ]
    for title, name in (("V-Rand", "v_rand"), ("V-Info", "v_info")):
        best = [run.membranes.best(name) for run in facts.runs if run.membranes is not None]
        scores = tuple(score for _, score in best)
        limits = tuple(f"at {limit:.3g}" for limit, _ in best)
        measures.append(Measure(title, "best threshold", 4, 1, scores, limits))
    errors = tuple(run.pixels.similarity_error() for run in facts.runs)
    measures.append(Measure("Pixel error", "best threshold", 4, 0, errors))
    return score_table(facts, "Cells between membranes", _membranes_told(facts), measures)


def _membranes_told(facts: SegmentFacts) -> str:
    run = facts.run
    if run.membrane is None:
        origin = "of the largest V-Rand on these very pictures"
    else:
        origin = f"{run.membrane:.3g}, chosen on {run.chosen or 'other pictures'}"
    return (
        "Foreground-restricted Rand and information scores of ISBI 2012, means of pictures; split "
        "is lowered by cells found in pieces, merge by cells found as one. A pixel is inside a "
        f"cell where its probability of membrane is below {origin} ({run.shown}); found membranes "
        "are thinned to lines first. Under best threshold stands what the challenge reports: the "
        "maximum over thresholds on the pictures that are scored, which is a little too good; its "
        "pixel error is 1 − the Dice of the inside of cells."
    )


def object_table(facts: SegmentFacts) -> ScoreTable | None:
    """How many objects are found."""
    tallies = [run.objects for run in facts.runs if run.objects is not None]
    if len(tallies) < len(facts.runs):
        return None
    half, strict, exact = (IOUS.index(limit) for limit in (0.5, 0.75, 0.9))
    measures = [
        each("F1", "IoU 0.5", 3, 1, tallies, lambda one: one.f1()[half]),
        each("F1", "IoU 0.75", 3, 1, tallies, lambda one: one.f1()[strict]),
        each("F1", "IoU 0.9", 3, 1, tallies, lambda one: one.f1()[exact]),
        each("Precision", "IoU 0.5", 3, 1, tallies, lambda one: one.precision()[half]),
        each("Recall", "IoU 0.5", 3, 1, tallies, lambda one: one.recall()[half]),
        each("Mean AP", "IoU 0.5 to 0.95", 3, 1, tallies, ObjectTally.mean_average_precision),
        each("SEG", "outlines", 3, 1, tallies, ObjectTally.seg),
        each("DET", "detection", 3, 1, tallies, ObjectTally.det),
        each("Count error", "a picture", 2, 0, tallies, ObjectTally.count_error),
        each("Surplus", "a picture", 2, 0, tallies, ObjectTally.count_bias),
    ]
    title = facts.named[1].capitalize()
    made = facts.run.separation
    told = f" {title} are made of probabilities by {made} ({facts.run.shown})." if made else ""
    return score_table(
        facts,
        f"{title} found",
        "A true and a found one match if their intersection over union (IoU) is above a limit. "
        "Mean AP is that of the Data Science Bowl 2018, SEG and DET those of the cell-tracking "
        f"challenge.{told}",
        measures,
    )


def fate_table(facts: SegmentFacts) -> ScoreTable | None:
    """What became of the objects of all pictures."""
    sums = [fate_sums(run) for run in facts.runs]
    if not all(sums):
        return None
    names = {look.title: look.says for look in FATES.values()}
    measures = [
        Measure(
            name.capitalize(),
            "",
            0,
            max(held[name] for held in sums) if name == "right" else 0,
            tuple(float(held[name]) for held in sums),
        )
        for name in names
        if all(name in held for held in sums)
    ]
    if all("merged_unseparated" in held for held in sums):
        counts = tuple(float(held["merged_unseparated"]) for held in sums)
        measures.append(Measure("Merged", "not separated", 0, 0, counts))
    told = "; ".join(f"{name}: {says}" for name, says in names.items())
    note = f"What became of true {facts.named[1]}, and of false ones. {told[0].upper()}{told[1:]}."
    return score_table(facts, "Errors", note, measures)


def fate_sums(run: SegmentRunFacts) -> dict[str, int]:
    """Objects of all pictures by what became of them; empty without objects."""
    names = [*(look.title for look in FATES.values()), "merged_unseparated"]
    known = [name for name in names if run.rows and all(name in row for row in run.rows)]
    return {name: sum(int(row[name]) for row in run.rows) for name in known}


def class_rows(facts: SegmentFacts) -> list[tuple[str, list[str]]]:
    """(class, its scores in the order of BY_CLASS) where there are more than two."""
    if len(facts.data.classes) < 3:
        return []
    tally = facts.run.pixels
    table = np.array([getattr(tally, name)() for name in BY_CLASS]).T
    rows = zip(facts.data.classes, table.tolist(), strict=True)
    return [(name, [number(value, 4) for value in values]) for name, values in rows]


def iou_rows(facts: SegmentFacts) -> list[tuple[str, list[str]]]:
    """(score, its values at each of IOUS) of the run."""
    tally = facts.run.objects
    if tally is None:
        return []
    scores = {"Precision": tally.precision(), "Recall": tally.recall(), "F1": tally.f1()}
    return [(name, [number(float(one), 3) for one in held]) for name, held in scores.items()]

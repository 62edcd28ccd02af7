"""Sentences made from the numbers of a segmentation."""

from __future__ import annotations

import math

from nowcast.evaluation.membrane_tally import MembraneTally
from nowcast.evaluation.object_matching import IOUS
from nowcast.report.classes.words import grouped, per_cent
from nowcast.report.segment.facts import SegmentFacts, SegmentRunFacts
from nowcast.report.segment.pairs import Pair, compare_pictures
from nowcast.report.segment.pictures import as_float
from nowcast.report.segment.scores import fate_sums, of_all
from nowcast.report.wording import duration, number

FEW = 10
HALF = IOUS.index(0.5)
MAIN = {"objects": "f1", "membranes": "v_rand", "pixels": "dice"}


def segment_verdict(facts: SegmentFacts) -> list[str]:
    """How good, what went wrong, where it is worst, who is better, how it was trained."""
    if not facts.run.pixels.rows:
        return ["No test picture was evaluated."]
    told = [
        _main(facts),
        _fates(facts),
        _human(facts),
        *(_against(facts, other) for other in facts.others),
        _worst(facts),
        _course(facts.run),
    ]
    return [sentence for sentence in told if sentence]


def basis(facts: SegmentFacts) -> str:
    """How many pictures stand behind the scores, with a caution where these are few."""
    run, count = facts.run, len(facts.run.pixels.rows)
    parts = {"threshold": run.threshold, "threshold of membrane": run.membrane}
    chosen = [name for name, value in parts.items() if value is not None]
    chosen += ["separation"] if run.separation else []
    told = f"Scores are of {_pictures(count, 'test ')}"
    if chosen and run.chosen:
        verb = "were" if len(chosen) > 1 else "was"
        told = f"{' and '.join(chosen)} {verb} chosen on {run.chosen}; s{told[1:]}"
    few = ", so few that other pictures may well score otherwise" if count < FEW else ""
    return f"{told[0].upper()}{told[1:]}{few}."


def _main(facts: SegmentFacts) -> str:
    run = facts.run
    where = f"{_pictures(len(run.pixels.rows), 'test ')} of {facts.data.title}"
    dice = number(of_all(run.pixels.mean_dice()), 3)
    if run.membranes is not None:
        return _cells(facts, run.membranes, where)
    if run.objects is not None:
        tally = run.objects
        return (
            f"{run.shown} finds {per_cent(float(tally.recall()[HALF]))} of the "
            f"{grouped(tally.true_objects)} {facts.named[1]} of {where}, and "
            f"{per_cent(float(tally.precision()[HALF]))} of what it finds is right: F1 "
            f"{number(float(tally.f1()[HALF]), 3)} at IoU 0.5. By pixel Dice is {dice}."
        )
    area = number(of_all(run.pixels.auc()), 4)
    classes = facts.data.classes
    named = f"the {classes[1]} pixels" if len(classes) == 2 else f"{len(classes)} classes"
    return (
        f"{run.shown} finds {named} of {where} with a mean Dice of {dice} and an area "
        f"under the ROC curve of {area}; {per_cent(run.pixels.pixel_error(), 2)} of the pixels "
        "are wrong."
    )


def _cells(facts: SegmentFacts, membranes: MembraneTally, where: str) -> str:
    run = facts.run
    limit = run.membrane if run.membrane is not None else membranes.best()[0]
    at = membranes.at(limit)
    origin = f"chosen on {run.chosen or 'other pictures'}"
    origin = "the best on these very pictures" if run.membrane is None else origin
    return (
        f"{run.shown} parts the {facts.named[1]} of {where} with V-Rand "
        f"{number(at.v_rand, 4)} and V-Info {number(at.v_info, 4)} at the threshold {limit:g}, "
        f"{origin}; {per_cent(run.pixels.pixel_error(), 2)} of the pixels are wrong."
    )


def _pictures(count: int, kind: str = "") -> str:
    return f"{grouped(count)} {kind}picture{'s' if count != 1 else ''}"


def _fates(facts: SegmentFacts) -> str:
    """Errors of objects, and what separating them was worth."""
    sums = fate_sums(facts.run)
    names = ("missed", "merged", "split")
    if not all(name in sums for name in names):
        return ""
    told = f"Of the {facts.named[1]}: {sums['missed']} missed, {sums['merged']} merged, "
    told += f"{sums['split']} split"
    told += f", {sums['false']} false" if "false" in sums else ""
    before = sums.get("merged_unseparated")
    if before is not None and before != sums["merged"]:
        told += f"; without separation {before} would be merged"
    return f"{told}."


def _human(facts: SegmentFacts) -> str:
    if facts.reference is None or not facts.reference.rows:
        return ""
    theirs, ours = (of_all(held.mean_dice()) for held in (facts.reference, facts.run.pixels))
    pairs = [
        (as_float(row.get("dice")), as_float(row.get("second_dice"))) for row in facts.run.rows
    ]
    known = [(own, other) for own, other in pairs if math.isfinite(own + other)]
    ahead = sum(own > other for own, other in known)
    closer = f", and is closer to it on {ahead} of {len(known)} pictures" if known else ""
    return (
        f"Against the same truth a human ({facts.reference_title.lower()}) reaches Dice "
        f"{number(theirs, 3)}; the network has {number(ours, 3)}{closer}."
    )


def _against(facts: SegmentFacts, other: SegmentRunFacts) -> str:
    """The main score and the merged objects of two runs, picture by picture."""
    pairs = {pair.name: pair for pair in compare_pictures(facts.run.rows, other.rows)}
    main = pairs.get(MAIN[facts.subject])
    if main is None:
        return ""
    told = f"Against {other.shown}: {_scored(main)}"
    merged = pairs.get("merged")
    if merged is not None:
        split = pairs.get("split")
        told += f"; merged {facts.named[1]} {merged.shown(merged.first)} instead of "
        told += f"{merged.shown(merged.second)}, {_won(merged)}"
        if split is not None:
            told += f"; split ones {split.shown(split.first)} instead of "
            told += split.shown(split.second)
    return f"{told}."


def _scored(pair: Pair) -> str:
    return (
        f"{pair.title} {number(pair.first, 3)} instead of {number(pair.second, 3)} in the mean of "
        f"pictures, {_won(pair)}"
    )


def _won(pair: Pair) -> str:
    chance = pair.chance
    if pair.p_value is not None:
        chance = f"p {chance}" if chance.startswith("<") else f"p = {chance}"
    return f"better on {pair.better} and worse on {pair.worse} of {pair.pictures} ({chance})"


def _worst(facts: SegmentFacts) -> str:
    name = MAIN[facts.subject]
    rows = [row for row in facts.run.rows if math.isfinite(as_float(row.get(name)))]
    if len(rows) < 2:
        return ""
    ranked = sorted(rows, key=lambda row: as_float(row[name]))
    title = {"f1": "F1", "v_rand": "V-Rand", "dice": "Dice"}[name]
    low, high = (number(as_float(row[name]), 3) for row in (ranked[0], ranked[-1]))
    return f"Pictures differ: {title} is from {low} ({ranked[0]['picture']}) to {high}."


def _course(run: SegmentRunFacts) -> str:
    training = run.training
    if not training.epochs:
        return ""
    told = f"Trained for {training.epochs:.3g} epochs"
    if training.seconds_training:
        told += f" in {duration(training.seconds_training)}"
    best = training.best_epoch
    return f"{told}; the weights after epoch {best:.3g} were kept." if best else f"{told}."

"""Sentences made from the numbers of a classification."""

from __future__ import annotations

import numpy as np

from nowcast.evaluation.calibration import overconfidence
from nowcast.evaluation.class_tally import ClassTally
from nowcast.evaluation.confusion import most_confused
from nowcast.evaluation.paired import PairedTest, compare_paired
from nowcast.report.classes.facts import ClassFacts, RunFacts
from nowcast.report.classes.words import grouped, per_cent
from nowcast.report.wording import duration, listed, number

CALIBRATED = 0.02
MEMORISED = 0.05


def class_verdict(facts: ClassFacts) -> list[str]:
    """How good, what is hard, how honest its odds are, how it was trained, who is better."""
    told = [
        _accuracy(facts),
        _hardest(facts),
        _honesty(facts.run.tally),
        _course(facts.run),
        _memory(facts.run),
        *compared(facts.run, facts.others),
    ]
    return [sentence for sentence in told if sentence]


def _accuracy(facts: ClassFacts) -> str:
    tally = facts.run.tally
    if not tally.images:
        return "No test image was evaluated."
    low, high = tally.interval()
    told = (
        f"{facts.run.shown} names {per_cent(tally.accuracy(), 2)} of {grouped(tally.images)} test "
        f"images of {facts.data.title} rightly (95 % interval {100 * low:.2f} to "
        f"{100 * high:.2f} %)"
    )
    if tally.images < facts.data.test:
        told += f", of {grouped(facts.data.test)} that there are"
    return f"{told}."


def _hardest(facts: ClassFacts) -> str:
    tally, classes = facts.run.tally, facts.data.classes
    recall = tally.recall()
    if tally.right == tally.images or not np.isfinite(recall).any():
        return ""
    hardest = int(np.nanargmin(recall))
    told = f"Hardest is {classes[hardest]}: {per_cent(float(recall[hardest]))} of it is recognised"
    pairs = most_confused(tally.confusion(), 1)
    label, taken, count = pairs[0]
    if label == hardest:
        whole = grouped(int(tally.support[label]))
        return (
            f"{told}, and {grouped(count)} of {whole} images are taken for {classes[taken]}, the "
            "commonest mistake."
        )
    return (
        f"{told}. The commonest mistake takes {classes[label]} for {classes[taken]} "
        f"({grouped(count)} images)."
    )


def _honesty(tally: ClassTally) -> str:
    if not tally.images:
        return ""
    gap, error = overconfidence(tally.reliability()), tally.calibration_error()
    apart = f"calibration error {number(100 * error, 1)} points"
    if error < CALIBRATED:
        return f"It is about as sure as it is right ({apart})."
    said = (
        f"on average it says {per_cent(tally.accuracy() + gap)} and is right in "
        f"{per_cent(tally.accuracy())} ({apart})"
    )
    if abs(gap) < error / 2:
        return f"Its probabilities are off in both directions ({apart})."
    return f"It is too {'sure' if gap > 0 else 'unsure'} of itself: {said}."


def _course(run: RunFacts) -> str:
    """How long it was trained, and which weights were kept."""
    if not run.epochs:
        return ""
    told = f"{run.epochs:.3g} epoch{'s' if run.epochs != 1 else ''}"
    told += f" in {duration(run.seconds_training)}" if run.seconds_training else ""
    kept = f"; the weights after epoch {run.best_epoch:.3g} were kept" if run.best_epoch else ""
    return f"Trained for {told}{kept}."


def _memory(run: RunFacts) -> str:
    """Whether the training images are known far better than the validation images."""
    held = run.curves
    if not (held.accuracy and held.validation_accuracy):
        return ""
    own, other = held.accuracy.values[-1], held.validation_accuracy.values[-1]
    if not own - other > MEMORISED:
        return ""
    return (
        f"It overfits: in the end {per_cent(own)} of the training images are right, but "
        f"{per_cent(other)} of the validation images."
    )


def compared(run: RunFacts, others: tuple[RunFacts, ...]) -> list[str]:
    """Whether the first is better than each of the others, where images can be paired."""
    tests = [(other, paired(run, other)) for other in others]
    known = [(other, test) for other, test in tests if test is not None]
    better = [_by(other, test) for other, test in known if test.differ and test.difference > 0]
    worse = [_by(other, test) for other, test in known if test.differ and test.difference < 0]
    level = [other.shown for other, test in known if not test.differ]
    told = []
    if better:
        told.append(f"better than {listed(better)}")
    if worse:
        told.append(f"worse than {listed(worse)}")
    if level:
        told.append(f"not to be told apart from {listed(level)} on these images")
    return [f"{run.shown} is {'; '.join(told)}."] if told else []


def paired(run: RunFacts, other: RunFacts) -> PairedTest | None:
    """The test of the same images; None where they are not known one by one."""
    if run.correct is None or other.correct is None or run.correct.shape != other.correct.shape:
        return None
    return compare_paired(run.correct, other.correct)


def _by(other: RunFacts, test: PairedTest) -> str:
    return f"{other.shown} by {number(100 * abs(test.difference), 2)} points"

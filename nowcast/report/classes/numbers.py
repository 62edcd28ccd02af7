"""All numbers of a classification, to take away as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from nowcast.evaluation.class_tally import ClassTally
from nowcast.evaluation.summary import BY_CLASS, summarise
from nowcast.report.classes.facts import Curves, RunFacts
from nowcast.report.numbers import Download, csv_uri

ROC_POINTS = 200
COSTS = (
    *("parameters", "trained_parameters", "multiply_adds", "epochs", "best_epoch"),
    *("seconds_training", "images_per_second", "images_per_second_inference"),
)


def class_downloads(run: RunFacts, classes: Sequence[str]) -> list[Download]:
    """The tables of one run."""
    told = {
        "classes.csv": ("scores of each class", class_table(run.tally, classes)),
        "confusion.csv": (
            "images by label (rows) and predicted class (columns)",
            confusion_table(run.tally, classes),
        ),
        "roc.csv": ("ROC curves of each class", roc_table(run.tally, classes)),
        "reliability.csv": ("accuracy by probability", reliability_table(run.tally)),
        "course.csv": ("loss, accuracy and learning rate by epoch", course_table(run.curves)),
    }
    return [
        Download(name, what, csv_uri(frame)) for name, (what, frame) in told.items() if len(frame)
    ]


def runs_download(runs: Sequence[RunFacts], classes: Sequence[str]) -> Download:
    """The table of several runs."""
    address = csv_uri(run_table(runs, classes))
    return Download("runs.csv", "every run, its scores and costs", address)


def run_table(runs: Sequence[RunFacts], classes: Sequence[str]) -> pd.DataFrame:
    """A row for each run: the scores of all classes together, and what it cost."""
    rows = []
    for run in runs:
        scores = summarise(run.tally, classes)
        low, high = scores.pop("accuracy_interval_95")
        plain = {
            name: value for name, value in scores.items() if not isinstance(value, list | dict)
        }
        ends = {"accuracy_low": low, "accuracy_high": high}
        costs = {name: getattr(run, name) for name in COSTS}
        rows.append({"run": run.name, **plain, **ends, **costs})
    return pd.DataFrame(rows)


def class_table(tally: ClassTally, classes: Sequence[str]) -> pd.DataFrame:
    """A row for each class."""
    scores = {name: getattr(tally, name)() for name in BY_CLASS}
    return pd.DataFrame({"class": list(classes), "images": tally.support, **scores})


def confusion_table(tally: ClassTally, classes: Sequence[str]) -> pd.DataFrame:
    """A row for each label, a column for each predicted class."""
    frame = pd.DataFrame(tally.confusion(), columns=list(classes))
    frame.insert(0, "label", list(classes), allow_duplicates=True)
    return frame


def roc_table(tally: ClassTally, classes: Sequence[str]) -> pd.DataFrame:
    """Points of the curve of each class, at most ROC_POINTS, evenly along the curve."""
    pieces = []
    for label, name in enumerate(classes):
        false_rate, true_rate = tally.roc(label)
        way = false_rate + true_rate
        if not np.isfinite(way).all():
            continue
        wanted = np.linspace(0, way[-1], ROC_POINTS)
        kept = np.unique(np.searchsorted(way, wanted).clip(max=len(way) - 1))
        rates = {
            "false_positive_rate": false_rate[kept],
            "true_positive_rate": true_rate[kept],
        }
        pieces.append(pd.DataFrame({"class": name, **rates}))
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def reliability_table(tally: ClassTally) -> pd.DataFrame:
    """A row for each bin of the predicted class's probability."""
    held = tally.reliability()
    edges = np.linspace(0, 1, len(held.images) + 1)
    return pd.DataFrame({"above": edges[:-1], "up_to": edges[1:], **held._asdict()})


def course_table(curves: Curves) -> pd.DataFrame:
    """A row for each value: which curve, when, how much."""
    pieces = [
        pd.DataFrame({"curve": name, "epoch": curve.epochs, "value": curve.values})
        for name in (field.name for field in fields(curves))
        if (curve := getattr(curves, name)) is not None
    ]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()

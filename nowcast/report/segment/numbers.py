"""All numbers of a segmentation, to take away as CSV and JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from nowcast.evaluation.object_matching import IOUS
from nowcast.evaluation.rand_scores import RandScores
from nowcast.evaluation.segment_summary import (
    summarise_membranes,
    summarise_objects,
    summarise_pixels,
)
from nowcast.report.classes.numbers import course_table
from nowcast.report.numbers import Download, csv_uri
from nowcast.report.segment.facts import SegmentFacts, SegmentRunFacts
from nowcast.report.segment.pairs import compare_pictures
from nowcast.report.segment.scores import fate_sums

COSTS = (
    *("parameters", "multiply_adds", "epochs", "best_epoch"),
    *("seconds_training", "images_per_second"),
)
ROC_POINTS = 400


def segment_downloads(facts: SegmentFacts) -> list[Download]:
    """The tables of the page, and all of them as one JSON file."""
    told = {
        "pictures.csv": ("every test picture of every run", pictures_table(facts)),
        "objects.csv": ("precision, recall and F1 by IoU", objects_table(facts)),
        "membranes.csv": ("Rand and information scores by threshold", membranes_table(facts)),
        "roc.csv": ("ROC curves of pixels", roc_table(facts)),
        "compared.csv": ("the run against the others, by picture", compared_table(facts)),
        "course.csv": ("losses and learning rates by epoch", courses_table(facts)),
    }
    tables = [
        Download(name, what, csv_uri(frame)) for name, (what, frame) in told.items() if len(frame)
    ]
    text = json.dumps(segment_scores(facts), ensure_ascii=False, indent=1, allow_nan=False)
    address = "data:application/json;base64," + base64.b64encode(text.encode()).decode()
    return [*tables, Download("scores.json", "all scores, for programs", address)]


def segment_scores(facts: SegmentFacts) -> dict[str, Any]:
    """Every score of every run, ready for JSON. Undefined: None."""
    classes = facts.data.classes
    held: dict[str, Any] = {
        "data": facts.data.title,
        "runs": [_run(facts, run) for run in facts.runs],
        "compared": {
            other.name: [asdict(pair) for pair in compare_pictures(facts.run.rows, other.rows)]
            for other in facts.others
        },
    }
    if facts.reference is not None:
        held["second_observer"] = summarise_pixels(facts.reference, classes)
    plain: dict[str, Any] = _plain(held)
    return plain


def _run(facts: SegmentFacts, run: SegmentRunFacts) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": run.name,
        **{name: getattr(run.training, name) for name in COSTS},
        "seconds_prediction": run.seconds_prediction,
        "megapixels_per_second": run.megapixels_per_second,
        "threshold": run.threshold,
        "membrane_threshold": run.membrane,
        "chosen_on": run.chosen,
        "separation": run.separation,
        "pixels": summarise_pixels(run.pixels, facts.data.classes),
    }
    if run.objects is not None:
        told["objects"] = summarise_objects(run.objects)
    if run.unseparated is not None:
        told["objects_unseparated"] = summarise_objects(run.unseparated)
    if run.membranes is not None:
        told["membranes"] = summarise_membranes(run.membranes)
    return told | {"errors": fate_sums(run), "pictures": [dict(row) for row in run.rows]}


def pictures_table(facts: SegmentFacts) -> pd.DataFrame:
    """A row a test picture and run."""
    return pd.DataFrame([{"run": run.name, **row} for run in facts.runs for row in run.rows])


def objects_table(facts: SegmentFacts) -> pd.DataFrame:
    """A row a run and IoU."""
    pieces = []
    for run in facts.runs:
        if run.objects is not None:
            scores = {name: getattr(run.objects, name)() for name in ("precision", "recall", "f1")}
            pieces.append(pd.DataFrame({"run": run.name, "iou": IOUS, **scores}))
    return _joined(pieces)


def membranes_table(facts: SegmentFacts) -> pd.DataFrame:
    """A row a run and threshold."""
    pieces = []
    for run in facts.runs:
        if run.membranes is not None:
            scores = {name: run.membranes.scores(name) for name in RandScores._fields}
            limits = run.membranes.thresholds
            pieces.append(pd.DataFrame({"run": run.name, "threshold": limits, **scores}))
    return _joined(pieces)


def roc_table(facts: SegmentFacts) -> pd.DataFrame:
    """Points of the curve of each run and class but the first, at most ROC_POINTS."""
    pieces = []
    for run in facts.runs:
        for label, name in list(enumerate(facts.data.classes))[1:]:
            wrong, found = run.pixels.roc(label)
            if not np.isfinite(wrong + found).all():
                continue
            way = wrong + found
            at = np.searchsorted(way, np.linspace(0, way[-1], ROC_POINTS)).clip(max=len(way) - 1)
            kept = np.unique(at)
            rates = {"false_positive_rate": wrong[kept], "true_positive_rate": found[kept]}
            pieces.append(pd.DataFrame({"run": run.name, "class": name, **rates}))
    return _joined(pieces)


def compared_table(facts: SegmentFacts) -> pd.DataFrame:
    """A row a number and other run."""
    return pd.DataFrame(
        [
            {"run": facts.run.name, "other": other.name, **asdict(pair)}
            for other in facts.others
            for pair in compare_pictures(facts.run.rows, other.rows)
        ]
    )


def courses_table(facts: SegmentFacts) -> pd.DataFrame:
    """A row for each value of each run's course."""
    pieces = [
        course_table(training.curves).assign(run=training.name) for training in facts.trainings
    ]
    return _joined([piece for piece in pieces if len(piece)])


def _joined(pieces: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def _plain(value: Any) -> Any:
    """Without arrays' own numbers and without NaN."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""All scores of a classification as plain numbers, for files that programs read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nowcast.evaluation.calibration import overconfidence
from nowcast.evaluation.class_tally import ClassTally
from nowcast.evaluation.confusion import Average, matthews_correlation

BY_CLASS = ("precision", "recall", "f1", "auc", "auc_error")
AVERAGES: tuple[Average, ...] = ("macro", "weighted")


def summarise(tally: ClassTally, classes: Sequence[str]) -> dict[str, Any]:
    """Every score, ready for JSON.

    Args:
        tally: Of the images.
        classes: Names of the classes, by label.

    Undefined: None.

    Raises:
        ValueError: If there are not as many names as classes.
    """
    if len(classes) != tally.classes:
        raise ValueError(
            f"scores: expected the names of {tally.classes} classes, found {len(classes)}"
        )
    by_class = {name: getattr(tally, name)() for name in BY_CLASS}
    summary = {
        **_of_all(tally),
        **_averages(tally),
        "classes": list(classes),
        "support": tally.support,
        "confusion": tally.confusion(),
        **{f"{name}_by_class": scores for name, scores in by_class.items()},
        "reliability": tally.reliability()._asdict(),
    }
    return {name: _plain(value) for name, value in summary.items()}


def _averages(tally: ClassTally) -> dict[str, float]:
    return {
        f"{average}_{name}": tally.averaged(getattr(tally, name)(), average)
        for average in AVERAGES
        for name in BY_CLASS[:-1]
    }


def _of_all(tally: ClassTally) -> dict[str, Any]:
    return {
        "images": tally.images,
        "accuracy": tally.accuracy(),
        "accuracy_interval_95": list(tally.interval()),
        "top_5": tally.top(5),
        "log_loss": tally.log_loss(),
        "matthews_correlation": matthews_correlation(tally.confusion()),
        "calibration_error": tally.calibration_error(),
        "overconfidence": overconfidence(tally.reliability()),
    }


def _plain(value: Any) -> Any:
    """Without arrays and without NaN."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

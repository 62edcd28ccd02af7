"""All scores of a segmentation as plain numbers, for files that programs read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nowcast.evaluation.confusion import Scores
from nowcast.evaluation.membrane_tally import MembraneTally
from nowcast.evaluation.object_matching import IOUS, ObjectTally
from nowcast.evaluation.rand_scores import RandScores
from nowcast.evaluation.segment_tally import SegmentTally

BY_CLASS = (
    "dice",
    "mean_dice",
    "iou",
    "sensitivity",
    "specificity",
    "precision",
    "auc",
    "auc_error",
)


def summarise_pixels(tally: SegmentTally, classes: Sequence[str]) -> dict[str, Any]:
    """Scores by pixel, ready for JSON.

    Args:
        tally: Of the pictures.
        classes: Names of the classes, by label.

    Undefined: None.

    Raises:
        ValueError: If there are not as many names as classes.
    """
    if len(classes) != tally.classes:
        raise ValueError(
            f"scores: expected the names of {tally.classes} classes, found {len(classes)}"
        )
    return {
        "pictures": len(tally.rows),
        "classes": list(classes),
        "pixel_error": _plain(tally.pixel_error()),
        "accuracy": _plain(tally.accuracy()),
        **{f"{name}_by_class": _plain(getattr(tally, name)()) for name in BY_CLASS},
        "dice_by_picture": {row.name: _plain(row.dice) for row in tally.rows},
    }


def summarise_objects(tally: ObjectTally) -> dict[str, Any]:
    """Scores by object, ready for JSON. Undefined: None."""
    by_iou = {name: getattr(tally, name)() for name in ("precision", "recall", "f1")}
    single = ("mean_average_precision", "seg", "det", "count_error", "count_bias")
    return {
        "pictures": len(tally.rows),
        "true_objects": tally.true_objects,
        "found_objects": tally.found_objects,
        "ious": list(IOUS),
        **{f"{name}_by_iou": _plain(scores) for name, scores in by_iou.items()},
        **{name: _plain(getattr(tally, name)()) for name in single},
        "f1_by_picture": {row.name: _plain(row.f1) for row in tally.rows},
    }


def summarise_membranes(tally: MembraneTally) -> dict[str, Any]:
    """Scores of the cells parted by membranes, ready for JSON. Undefined: None."""
    best = {name: tally.best(name) for name in ("v_rand", "v_info")}
    return {
        "pictures": len(tally.rows),
        "thinned": tally.thinned,
        "thresholds": list(tally.thresholds),
        **{f"{name}_by_threshold": _plain(tally.scores(name)) for name in RandScores._fields},
        **{name: _plain(score) for name, (_, score) in best.items()},
        **{f"{name}_threshold": _plain(threshold) for name, (threshold, _) in best.items()},
    }


def _plain(value: float | Scores) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    return float(value) if math.isfinite(value) else None

"""What a segmentation leaves for programs: all numbers, and the predictions as pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flows.segmentation.answers import Odds
from flows.segmentation.judge import Judged, Jury
from flows.segmentation.tuning import Tuned
from nowcast.evaluation import summarise_membranes, summarise_objects, summarise_pixels
from nowcast.evaluation.overlaps import Labels

DEEPEST = 65535


def writer(folder: Path, classes: Sequence[str]) -> Callable[[Judged], None]:
    """What writes the predictions of a picture.

    NAME-CLASS.png is the probability of each class but the first, 0 to 255; NAME-classes.png the
    class of each pixel; NAME-objects.png the objects, 16 bits, where there are any.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(judged: Judged) -> None:
        name = judged.answer.name
        for label, title in list(enumerate(classes))[1:]:
            _save_odds(folder / f"{name}-{_plain(title)}.png", judged.answer.odds[label])
        Image.fromarray(judged.found.astype(np.uint8)).save(folder / f"{name}-classes.png")
        if judged.objects is not None:
            _save_objects(folder / f"{name}-objects.png", judged.objects)

    return write


def numbers_of(jury: Jury, classes: Sequence[str]) -> dict[str, Any]:
    """All scores of a network, ready for JSON.

    Args:
        jury: That has heard all test pictures.
        classes: Names, by label.
    """
    tuned = jury.tuned
    numbers: dict[str, Any] = {
        "chosen_on_validation": _chosen(tuned),
        "pixels": summarise_pixels(jury.pixels, classes),
        "seconds_prediction": jury.seconds,
        "megapixels_per_second": jury.area / 1e6 / jury.seconds if jury.seconds else None,
    }
    if jury.second.rows:
        numbers["second_observer"] = summarise_pixels(jury.second, classes)
    if jury.objects is not None and jury.unseparated is not None:
        numbers["objects"] = summarise_objects(jury.objects)
        numbers["objects_unseparated"] = summarise_objects(jury.unseparated)
    if jury.membranes is not None and tuned.membrane is not None:
        numbers["membranes"] = jury.membranes.at(tuned.membrane)._asdict()
        numbers["membranes_challenge"] = summarise_membranes(jury.membranes)
    if fates := fates_of(jury):
        numbers["errors"] = fates
    return {name: known(value) for name, value in (numbers | {"by_picture": jury.rows}).items()}


def _chosen(tuned: Tuned) -> dict[str, Any]:
    return {
        "pictures": tuned.pictures,
        "threshold": tuned.threshold,
        "membrane_threshold": tuned.membrane,
        "separation": None if tuned.separation is None else asdict(tuned.separation),
    }


def fates_of(jury: Jury) -> dict[str, int]:
    """Objects of all test pictures by what became of them; empty without objects."""
    names = ("right", "inexact", "missed", "false", "merged", "split", "merged_unseparated")
    return {name: sum(row[name] for row in jury.rows) for name in names if name in jury.rows[0]}


def write_numbers(path: Path, numbers: Mapping[str, Any]) -> Path:
    """As JSON."""
    text = json.dumps(numbers, indent=1, allow_nan=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def known(value: Any) -> Any:
    """The same with None where a number is not finite."""
    if isinstance(value, Mapping):
        return {name: known(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _save_odds(path: Path, odds: Odds) -> None:
    Image.fromarray((255 * odds).round().clip(0, 255).astype(np.uint8)).save(path)


def _save_objects(path: Path, objects: Labels) -> None:
    if objects.max(initial=0) > DEEPEST:
        path = path.with_suffix(".tif")
        Image.fromarray(objects.astype(np.int32)).save(path)
        return
    Image.fromarray(objects.astype(np.uint16)).save(path)


def _plain(title: str) -> str:
    """A name of a class as part of a file's."""
    return "".join(sign if sign.isalnum() else "_" for sign in title)

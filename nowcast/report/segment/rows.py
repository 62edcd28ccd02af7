"""The table of a segmentation's test pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nowcast.report.segment.facts import SegmentFacts
from nowcast.report.segment.pictures import as_float, worst_first
from nowcast.report.wording import number

# name in a row → heading, what stands under it, decimals (after times 100 for shares of pixels)
COLUMNS = {
    "f1": ("F1", "IoU 0.5", 3),
    "average_precision": ("AP", "mean", 3),
    "v_rand": ("V-Rand", "", 4),
    "rand_split": ("split", "V-Rand", 4),
    "rand_merge": ("merge", "V-Rand", 4),
    "v_info": ("V-Info", "", 4),
    "dice": ("Dice", "", 3),
    "second_dice": ("Dice", "second observer", 3),
    "pixel_error": ("Pixel error", "%", 2),
    "objects": ("True", "objects", 0),
    "objects_found": ("Found", "objects", 0),
    "right": ("Right", "", 0),
    "inexact": ("Inexact", "", 0),
    "missed": ("Missed", "", 0),
    "false": ("False", "", 0),
    "merged": ("Merged", "", 0),
    "split": ("Split", "", 0),
    "merged_unseparated": ("Merged", "not separated", 0),
}


@dataclass(frozen=True)
class PictureRow:
    """One test picture; `place` is that of its drawings on the page, 0 where it has none."""

    name: str
    place: int
    cells: tuple[str, ...]


def picture_columns(facts: SegmentFacts) -> list[tuple[str, str]]:
    """(heading, what stands under it) of the numbers that are known."""
    return [COLUMNS[name][:2] for name in _names(facts)]


def picture_rows(facts: SegmentFacts) -> list[PictureRow]:
    """All test pictures of the run, the lowest score first."""
    places = {held.name: place for place, held in enumerate(worst_first(facts), 1)}
    names = _names(facts)
    ordered = sorted(facts.run.rows, key=lambda row: (_rank(row.get("score")), row["picture"]))
    return [
        PictureRow(
            str(row["picture"]),
            places.get(str(row["picture"]), 0),
            tuple(_cell(name, row.get(name)) for name in names),
        )
        for row in ordered
    ]


def _names(facts: SegmentFacts) -> list[str]:
    return [name for name in COLUMNS if any(name in row for row in facts.run.rows)]


def _cell(name: str, value: object) -> str:
    factor = 100 if name == "pixel_error" else 1
    return number(factor * as_float(value), COLUMNS[name][2])


def _rank(score: object) -> float:
    known = as_float(score)
    return known if math.isfinite(known) else -math.inf

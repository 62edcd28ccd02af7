"""Test pictures with what is true, what was found and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from nowcast.evaluation.object_errors import Fate
from nowcast.report.classes.words import per_cent
from nowcast.report.segment.colours import (
    CYCLE,
    FATES,
    OUTCOMES,
    colour_swatch,
    fate_swatch,
    line_swatch,
)
from nowcast.report.segment.facts import PictureFacts, SegmentFacts
from nowcast.report.segment.raster import canvas_size
from nowcast.report.segment.tiles import Tile, draw_tiles
from nowcast.report.wording import number

SIDES = (800, 640, 460, 360)  # of the longer side, in dots, two for each pixel of the page
FEW = (8, 12, 10**6)  # pictures that begin with the first side, with the second, with the third
LARGEST = 11_000_000


@dataclass(frozen=True)
class Mark:
    """A line of a key, or of a picture's numbers; `swatch` is a small picture's address."""

    title: str
    says: str
    swatch: str = ""


@dataclass(frozen=True)
class Shown:
    """One test picture: its drawings, and its numbers with the marks of its errors."""

    place: int
    name: str
    tiles: tuple[Tile, ...]
    numbers: tuple[Mark, ...]
    width: int
    height: int


def worst_first(facts: SegmentFacts) -> list[PictureFacts]:
    """The pictures in the order in which they are shown."""
    return sorted(facts.pictures, key=lambda held: (_rank(held.score), held.name))


def show_pictures(facts: SegmentFacts, largest: int = LARGEST) -> list[Shown]:
    """The drawings of all pictures, the lowest score first.

    Args:
        facts: Of the page.
        largest: Characters that all drawings may have together; they are made smaller until they
            have, down to the last of SIDES.
    """
    ordered = worst_first(facts)
    first = next(n for n, count in enumerate(FEW) if len(ordered) <= count)
    shown = list[Shown]()
    for longest in SIDES[first:]:
        shown = [_shown(facts, held, place, longest) for place, held in enumerate(ordered, 1)]
        if sum(len(tile.address) for one in shown for tile in one.tiles) <= largest:
            break
    return shown


def _shown(facts: SegmentFacts, held: PictureFacts, place: int, longest: int) -> Shown:
    height, width = canvas_size(held.pixels.shape, longest)
    tiles, numbers = draw_tiles(facts, held, longest), numbers_of(facts, held.numbers)
    return Shown(place, held.name, tiles, numbers, width, height)


def key_of(facts: SegmentFacts) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """What outlines mean, and what errors look like."""
    lines = (
        Mark("found", "solid", line_swatch("found")),
        Mark("true", "dashed", line_swatch("true")),
        Mark("both", "where they agree", line_swatch("both")),
    )
    if facts.subject != "pixels":
        marks = [Mark(look.title, look.says, _swatch(fate)) for fate, look in FATES.items()]
        return lines, tuple(marks)
    looks = list(OUTCOMES.values())[: 3 if len(facts.data.classes) == 2 else 4]
    return lines, tuple(Mark(look.title, look.says, colour_swatch(look.colour)) for look in looks)


def class_key(facts: SegmentFacts) -> tuple[Mark, ...]:
    """The colours of more than two classes, the first of which is black."""
    classes = facts.data.classes
    if len(classes) < 3:
        return ()
    colours = ("#000000", *(CYCLE[n % len(CYCLE)] for n in range(len(classes) - 1)))
    named = zip(classes, colours, strict=True)
    return tuple(Mark(name, "", colour_swatch(colour)) for name, colour in named)


def numbers_of(facts: SegmentFacts, row: Mapping[str, Any]) -> tuple[Mark, ...]:
    """The numbers of a picture, those of its errors with their marks."""
    marks = [Mark(title, text) for name, title, text in _told(facts, row) if name in row]
    fates = [
        Mark(look.title, f"{int(row[look.title])}", _swatch(fate))
        for fate, look in FATES.items()
        if look.title in row
    ]
    return (*marks, *fates)


def as_float(value: Any) -> float:
    """A number of a row; NaN for None."""
    return math.nan if value is None else float(value)


def _told(facts: SegmentFacts, row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    def score(name: str, decimals: int = 3) -> str:
        return number(as_float(row.get(name)), decimals)

    found = f"{row.get('objects_found', 0)} and {row.get('objects', 0)}"
    return [
        ("f1", "F1 at IoU 0.5", score("f1")),
        ("average_precision", "mean AP", score("average_precision")),
        ("v_rand", "V-Rand", score("v_rand", 4)),
        ("v_info", "V-Info", score("v_info", 4)),
        ("dice", "Dice", score("dice")),
        ("second_dice", f"Dice of {facts.reference_title.lower()}", score("second_dice")),
        ("pixel_error", "pixel error", per_cent(as_float(row.get("pixel_error")), 2)),
        ("objects", f"{facts.named[1]} found and true", found),
    ]


@cache
def _swatch(fate: Fate) -> str:
    return fate_swatch(fate)


def _rank(score: float) -> float:
    return score if math.isfinite(score) else -math.inf

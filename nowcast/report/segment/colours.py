"""Colours and patterns of what became of objects and pixels, told apart without hue too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nowcast.evaluation.object_errors import Fate
from nowcast.evaluation.overlaps import Labels, Mask
from nowcast.report.segment.raster import DASH, OUTSIDE, Pixels, of_colour, painted, png_uri

PERIOD = 10  # dots of a pattern
PALE = 0.3
FOUND, TRUE = "#ffa62b", "#00c8ff"
SWATCH = (28, 40)
# Okabe and Ito's colours as light as they are, for objects that touch
CYCLE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#bcd4e6", "#0072b2")

Pattern = Callable[[Labels, Labels], Mask]


@dataclass(frozen=True)
class Look:
    """How one outcome is drawn.

    Args:
        title: For the key.
        colour: "#rrggbb".
        pattern: Row and column of dots → where the colour is full; None for everywhere.
        weight: Of the colour where it is full.
        says: What it means.
    """

    title: str
    colour: str
    pattern: Pattern | None = None
    weight: float = 1.0
    says: str = ""


def _rising(y: Labels, x: Labels) -> Mask:
    return np.asarray((x + y) % PERIOD < PERIOD // 2)


def _level(y: Labels, x: Labels) -> Mask:
    return np.asarray((y + 0 * x) % PERIOD < PERIOD // 2)


def _grid(y: Labels, x: Labels) -> Mask:
    return np.asarray((y % PERIOD < PERIOD // 3) | (x % PERIOD < PERIOD // 3))


def _dots(y: Labels, x: Labels) -> Mask:
    return np.asarray((y % PERIOD < PERIOD // 2) & (x % PERIOD < PERIOD // 2))


FATES = {
    Fate.RIGHT: Look("right", "#009e73", weight=0.35, says="IoU above 0.5"),
    Fate.INEXACT: Look("inexact", "#d0d0d0", _dots, 0.8, "found, but its outline is far off"),
    Fate.MISSED: Look("missed", "#e8601c", _rising, says="not found"),
    Fate.FALSE: Look("false", "#56b4e9", _grid, says="found where none is"),
    Fate.MERGED: Look("merged", "#cc79a7", weight=0.85, says="found as one with another"),
    Fate.SPLIT: Look("split", "#f0e442", _level, says="found in pieces"),
}
HIT, MISSED, FALSE, OTHER = range(1, 5)
OUTCOMES = {
    HIT: Look("right", "#f2f2f2", says="of the class and found"),
    MISSED: Look("missed", "#f47a2a", says="of a class, found as background"),
    FALSE: Look("false", "#3d9be0", says="background, found as a class"),
    OTHER: Look("confused", "#cc79a7", says="of one class, found as another"),
}


def draw_fates(ground: Pixels, fates: Labels) -> Pixels:
    """The fate of each dot over a ground, in colour and pattern."""
    y, x = np.arange(fates.shape[0])[:, None], np.arange(fates.shape[1])[None]
    drawn = ground
    for fate, look in FATES.items():
        here = fates == fate
        if look.pattern is None:
            drawn = painted(drawn, here, look.colour, look.weight)
            continue
        full = look.pattern(y, x)
        drawn = painted(drawn, here & full, look.colour, look.weight)
        drawn = painted(drawn, here & ~full, look.colour, PALE)
    return drawn


def draw_outcomes(truth: Labels, found: Labels, counted: Mask) -> Pixels:
    """What became of each pixel, class 0 being background: (H, W, 3), black where nothing is."""
    outcome = np.zeros(truth.shape, np.uint8)
    outcome[(truth > 0) & (found == truth)] = HIT
    outcome[(truth > 0) & (found == 0)] = MISSED
    outcome[(truth == 0) & (found > 0)] = FALSE
    outcome[(truth > 0) & (found > 0) & (found != truth)] = OTHER
    outcome[~counted | (truth < 0)] = 0
    table = np.zeros((len(OUTCOMES) + 1, 3), np.uint8)
    for place, look in OUTCOMES.items():
        table[place] = of_colour(look.colour)
    return painted(table[outcome], ~counted | (truth < 0), OUTSIDE)


def draw_labels(labels: Labels) -> Pixels:
    """Objects in colours that go round, background black."""
    table = np.array([of_colour(colour) for colour in CYCLE]).astype(np.uint8)
    drawn = table[(labels - 1) % len(CYCLE)]
    drawn[labels <= 0] = 0
    return drawn


def fate_swatch(fate: Fate) -> str:
    """A small piece of a fate's pattern, for a key."""
    ground = np.full((*SWATCH, 3), 60, np.uint8)
    return png_uri(draw_fates(ground, np.full(SWATCH, int(fate), np.int32)))


def colour_swatch(colour: str) -> str:
    """A small piece of a colour, for a key."""
    return png_uri(np.broadcast_to(of_colour(colour).astype(np.uint8), (*SWATCH, 3)).copy())


def line_swatch(which: str) -> str:
    """A small piece of an outline, "found", "true" or "both", for a key."""
    drawn = np.full((*SWATCH, 3), 90, np.uint8)
    middle = slice(SWATCH[0] // 2 - 2, SWATCH[0] // 2 + 2)
    if which != "true":
        drawn[middle] = of_colour(FOUND)
    if which != "found":
        dash = (np.arange(SWATCH[1]) % DASH) < DASH // 2
        drawn[middle, dash] = of_colour(TRUE)
    return png_uri(drawn)

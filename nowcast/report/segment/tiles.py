"""The drawings of one test picture: itself, truth, probability, outlines and errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nowcast.evaluation.membrane_tally import grown
from nowcast.evaluation.object_errors import Fate
from nowcast.evaluation.overlaps import Labels, Mask
from nowcast.report.colours import SEQUENTIAL
from nowcast.report.inside.pictures import blend
from nowcast.report.segment.colours import FOUND, TRUE, draw_fates, draw_labels, draw_outcomes
from nowcast.report.segment.facts import PictureFacts, SegmentFacts
from nowcast.report.segment.raster import (
    OUTSIDE,
    Pixels,
    Size,
    canvas_size,
    dashed,
    dimmed,
    edges,
    jpeg_uri,
    painted,
    photograph,
    png_uri,
    resized,
    spread,
)

BRIGHTEST, DARK = 0.998, 150
LARGE = 2  # times from which outlines may be wider
GROUND = 0.6  # of white, the lightest grey under outlines


@dataclass(frozen=True)
class Tile:
    """One drawing of a picture."""

    heading: str
    address: str
    alt: str


def draw_tiles(facts: SegmentFacts, held: PictureFacts, longest: int) -> tuple[Tile, ...]:
    """Five drawings of a picture, their longer side so many dots."""
    size = canvas_size(held.pixels.shape, longest)
    counted = held.truth >= 0
    if held.counted is not None:
        counted = counted & held.counted
    photo = photograph(held.pixels, size)
    about = f"Picture {held.name}"
    tiles = (
        _picture(held, size),
        Tile("Truth", _truth(facts, held, size, counted), f"{about}, {_truth_told(facts, held)}"),
        _odds(facts, held, size, counted),
        Tile(
            "Outlines",
            _outlines(facts, held, photo, counted),
            f"{about} with found and true outlines",
        ),
        Tile("Errors", _errors(facts, held, photo, counted), f"{about}, {_errors_told(held)}"),
    )
    if held.second is None or facts.subject != "pixels":
        return tiles
    theirs = png_uri(resized(draw_outcomes(held.truth, held.second, counted), size))
    who = f"Errors of {facts.reference_title.lower()}"
    return (*tiles, Tile(who, theirs, f"{about}, {who.lower()} by pixel"))


def class_of_odds(facts: SegmentFacts) -> int:
    """The class whose probability is drawn."""
    return 0 if facts.subject == "membranes" else 1


def _picture(held: PictureFacts, size: Size) -> Tile:
    """As it was taken, or brightened where little would be seen."""
    brightest = float(np.quantile(held.pixels, BRIGHTEST))
    if brightest > DARK:
        taken = jpeg_uri(photograph(held.pixels, size))
        return Tile("Picture", taken, f"Picture {held.name} as it was taken")
    bright = jpeg_uri(photograph(held.pixels * (255 / max(brightest, 1.0)), size))
    return Tile("Picture, brightened", bright, f"Picture {held.name}, brightened")


def _truth(facts: SegmentFacts, held: PictureFacts, size: Size, counted: Mask) -> str:
    if facts.subject == "objects" and held.true_objects is not None:
        labels = spread(held.true_objects, size)
        drawn = painted(draw_labels(labels), edges(labels), "#000000")
        return png_uri(painted(drawn, ~spread(counted, size), OUTSIDE))
    return _classes(held.truth, counted, size, len(facts.data.classes))


def _classes(labels: Labels, counted: Mask, size: Size, count: int) -> str:
    """Two classes as black and white, more in colours."""
    if count == 2:
        shades = np.where(labels == 1, 255, 0).astype(np.uint8)
        drawn = np.repeat(shades[..., None], 3, axis=-1)
    else:
        drawn = draw_labels(labels)
    return png_uri(resized(painted(drawn, ~counted, OUTSIDE), size))


def _odds(facts: SegmentFacts, held: PictureFacts, size: Size, counted: Mask) -> Tile:
    classes, about = facts.data.classes, f"Picture {held.name}"
    if len(classes) > 2:
        address = _classes(held.found, counted, size, len(classes))
        return Tile("Found", address, f"{about}, classes that were found")
    drawn = class_of_odds(facts)
    shades = resized(np.rint(255 * held.odds[drawn]).astype(np.uint8), size)
    colours = painted(blend(shades / 255, SEQUENTIAL), ~spread(counted, size), OUTSIDE)
    title = f"Probability of {classes[drawn]}"
    return Tile(title, jpeg_uri(colours), f"{about}, {title.lower()}")


def _outlines(facts: SegmentFacts, held: PictureFacts, photo: Pixels, counted: Mask) -> str:
    size = (photo.shape[0], photo.shape[1])
    found, true = _found_lines(facts, held, size), _true_lines(facts, held, size)
    seen = spread(counted, size)
    drawn = painted(dimmed(photo, GROUND), found & seen, FOUND)
    return jpeg_uri(painted(drawn, dashed(true & seen), TRUE), lines=True)


def _found_lines(facts: SegmentFacts, held: PictureFacts, size: Size) -> Mask:
    objects = _objects(held.found, held.found_objects)
    return _walls(objects, size) if facts.subject == "membranes" else _rims(objects, size)


def _true_lines(facts: SegmentFacts, held: PictureFacts, size: Size) -> Mask:
    objects = _objects(held.truth, held.true_objects)
    if facts.subject == "membranes":
        return _walls(grown(objects), size)
    return _rims(objects, size)


def _objects(classes: Labels, objects: Labels | None) -> NDArray[np.int32]:
    return np.maximum(classes if objects is None else objects, 0).astype(np.int32)


def _rims(objects: Labels, size: Size) -> Mask:
    """Outlines of objects, about four dots wide where a pixel is as large, else two."""
    marked = edges(spread(objects, size))
    if size[0] >= LARGE * objects.shape[0]:
        return np.asarray(ndimage.binary_dilation(marked))
    return marked


def _walls(cells: Labels, size: Size) -> Mask:
    """Lines between cells, about three dots wide."""
    marked: Mask = cells <= 0
    if size[0] < cells.shape[0]:
        marked = np.asarray(ndimage.binary_dilation(marked))
    return np.asarray(ndimage.binary_dilation(spread(marked, size)))


def _errors(facts: SegmentFacts, held: PictureFacts, photo: Pixels, counted: Mask) -> str:
    size = (photo.shape[0], photo.shape[1])
    if held.fates is None:
        return png_uri(resized(draw_outcomes(held.truth, held.found, counted), size))
    fates, counts = spread(held.fates, size), spread(counted, size)
    drawn = draw_fates(dimmed(photo), fates)
    found, true = (
        edges(spread(_objects(classes, objects), size))
        for classes, objects in (
            (held.found, held.found_objects),
            (held.truth, held.true_objects),
        )
    )
    if facts.subject == "membranes":
        true &= fates > Fate.RIGHT
    else:
        drawn = painted(drawn, found, "#000000")
    drawn = painted(painted(drawn, true, "#ffffff"), ~counts, OUTSIDE)
    return jpeg_uri(drawn, lines=True)


def _truth_told(facts: SegmentFacts, held: PictureFacts) -> str:
    if held.true_objects is None:
        return "true classes"
    count = len(np.unique(held.true_objects[held.true_objects > 0]))
    return f"{count} true {facts.named[count != 1]}"


def _errors_told(held: PictureFacts) -> str:
    names = [fate.name.lower() for fate in Fate if fate]
    told = [f"{held.numbers[name]} {name}" for name in names if name in held.numbers]
    return f"what became of each: {', '.join(told)}" if told else "errors by pixel"

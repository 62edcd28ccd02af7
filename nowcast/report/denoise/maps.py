"""Maps of cleaned radar, and what became of rain and clutter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nowcast.evaluation.cleaning import CleaningTally
from nowcast.report import colours
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, PictureRow, RadarFacts
from nowcast.report.denoise.pictures import Cell, Gallery, Shown, drawn_methods
from nowcast.report.maps import data_uri, indexed_png, picture_uri, thin
from nowcast.report.wording import number, rounded
from nowcast.verification.categorical import event_limit

OUTCOMES = (
    ("#ffffff00", "no rain, none shown"),
    ("#8fb3cc", "rain kept"),
    ("#d55e00", "rain lost"),
    ("#5b2a86", "clutter left"),
    ("#a9d8b4", "clutter removed"),
    ("#e6ab02", "rain made up"),
    (colours.MISSING_COLOUR, "missing"),
)
NOTHING, KEPT, LOST, LEFT, REMOVED, MADE_UP, MISSING = range(len(OUTCOMES))

ROOM, NARROWEST, WIDEST = 1160, 150, 270

Field = NDArray[np.floating]


def make_maps(facts: DenoiseFacts) -> Gallery | None:
    """Fields in columns: clean, noisy, then the cleaners; None if there are none."""
    rows = [row for row in facts.rows if np.ndim(row.clean) == 2]
    if not rows or facts.radar is None:
        return None
    methods = drawn_methods(facts.methods, rows)
    shown = tuple(_shown(row, methods, facts.radar) for row in rows)
    headings = ("Clean", "Noisy", *(held.shown for held in methods))
    return Gallery(headings, shown, side=min(max(ROOM // len(headings), NARROWEST), WIDEST))


def _shown(row: PictureRow, methods: Sequence[MethodFacts], radar: RadarFacts) -> Shown:
    radar = replace(radar, zr=row.zr or radar.zr)
    told = [("noisy", row.noisy)]
    aspect = row.clean.shape[1] / row.clean.shape[0]
    images: list[Cell | None] = [Cell(data_uri(row.clean), "", f"{row.caption}, clean", aspect)]
    below: list[Cell | None] = [None]
    told += [(held.shown, row.restored[held.name]) for held in methods if held.name in row.restored]
    known = dict(told)
    for title in ("noisy", *(held.shown for held in methods)):
        field = known.get(title)
        if field is None:
            images.append(None)
            below.append(None)
            continue
        alt = f"{row.caption}, {title}"
        images.append(Cell(data_uri(field), _csi_told(field, row, radar), alt, aspect))
        below.append(_outcome(field, row, radar, alt))
    return Shown(row.caption, tuple(images), tuple(below))


def _csi_told(field: Field, row: PictureRow, radar: RadarFacts) -> str:
    tally = CleaningTally((radar.threshold,), radar.zr)
    held = (torch.from_numpy(np.asarray(one, np.float32)) for one in (field, row.noisy, row.clean))
    tally.update(*held)
    return f"CSI {number(float(tally.csi()[0]), 2)}"


def _outcome(field: Field, row: PictureRow, radar: RadarFacts, alt: str) -> Cell:
    classes = outcomes(field, row.noisy, row.clean, radar)
    lookup = np.array([[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour, _ in OUTCOMES], np.uint8)
    shares = [
        f"{name} {100 * float((classes == n).mean()):.1f} %"
        for n, (_, name) in enumerate(OUTCOMES)
        if n and (classes == n).any()
    ]
    address = picture_uri(indexed_png(thin(classes), lookup))
    aspect = classes.shape[1] / classes.shape[0]
    return Cell(address, "", f"{alt}: {', '.join(shares) or 'no rain'}", aspect)


def outcomes(field: Field, noisy: Field, clean: Field, radar: RadarFacts) -> NDArray[np.uint8]:
    """(H, W) places in OUTCOMES of a cleaned field at the threshold.

    Missing: Where the clean field is missing.
    """
    limit = event_limit(radar.zr.threshold_dbz(radar.threshold))
    after, before, true = (held >= limit for held in (field, noisy, clean))
    classes = np.zeros(field.shape, np.uint8)
    for place, where in (
        (KEPT, true & after),
        (LOST, true & ~after),
        (LEFT, ~true & before & after),
        (REMOVED, ~true & before & ~after),
        (MADE_UP, ~true & ~before & after),
        (MISSING, np.isnan(clean)),
    ):
        classes[where] = place
    return classes


def map_colours(radar: RadarFacts | None) -> dict[str, Any]:
    """What the template needs for the colours of maps."""
    edges = np.array(colours.EDGES_DBZ if radar else (), np.float64)
    rates = radar.zr.rain_rate(edges) if radar else edges
    return {
        "scale": [
            (edge, rounded(rate)) for edge, rate in zip(colours.EDGES_DBZ, rates, strict=False)
        ],
        "palettes": {"sound": colours.SOUND},
        "missing_colour": colours.MISSING_COLOUR,
        "map_colour": colours.MAP_COLOUR,
        "outcomes": [
            (colour[:7] if n else colours.MAP_COLOUR, name)
            for n, (colour, name) in enumerate(OUTCOMES)
        ],
    }

"""Where a forecast is good: maps of scores by cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report import colours
from nowcast.report.lines import Source
from nowcast.report.maps import indexed_png, picture_uri, thin
from nowcast.report.wording import nearest, number

THRESHOLD = 1.0
LEADS = (30, 60)


@dataclass(frozen=True)
class Place:
    """A map of one score of one forecaster, with its words."""

    title: str
    picture: str
    description: str


@dataclass(frozen=True)
class PlaceRow:
    """The maps of one score at one lead time, all forecasters side by side.

    Args:
        heading: Score, threshold and lead time.
        maps: One a forecaster.
        key: Colours with the value from which each holds.
        note: How to read them.
    """

    heading: str
    maps: tuple[Place, ...]
    key: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True)
class Kind:
    """How a score is coloured: by `colours`, each from one of `edges` on."""

    score: str
    title: str
    colours: tuple[str, ...]
    edges: tuple[float, ...]
    note: str

    @property
    def lookup(self) -> NDArray[np.uint8]:
        """(classes, 4) RGBA, last the undefined."""
        rows = [f"{colour}ff" for colour in (*self.colours, colours.MISSING_COLOUR)]
        return np.array([list(bytes.fromhex(row[1:])) for row in rows], np.uint8)

    def classify(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The class of each value; undefined ones have the last."""
        classes = np.searchsorted(self.edges, values, side="right").astype(np.uint8)
        classes[np.isnan(values)] = len(self.colours)
        return classes

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """Colours with their lower edges, the first without."""
        labels = ("", *(f"{edge:g}" for edge in self.edges))
        return tuple(zip(self.colours, labels, strict=True))


KINDS = (
    Kind(
        "csi_map",
        "CSI",
        colours.SEQUENTIAL,
        colours.SEQUENTIAL_EDGES,
        "1 is best. Cells with little rain say little.",
    ),
    Kind(
        "frequency_bias_map",
        "Frequency bias",
        colours.DIVERGING,
        colours.RATIO_EDGES,
        "Orange where rain area is lost, violet where there is too much.",
    ),
)


def make_places(source: Source, shape: tuple[int, int]) -> list[PlaceRow]:
    """Maps of CSI and bias at about 30 and 60 minutes, where the file has them.

    Args:
        source: Of the scores.
        shape: Rows and columns of the grid, north on top.
    """
    rows = []
    for kind in KINDS:
        if not source.has(kind.score):
            continue
        place = nearest(source.scores["threshold"], [THRESHOLD])[0]
        held = source.scores[kind.score].isel(threshold=place)
        leads = nearest(held["lead_time"], LEADS)
        rows += [_row(source, kind, held.isel(lead_time=lead), shape) for lead in leads]
    return rows


def _row(source: Source, kind: Kind, held: xr.DataArray, shape: tuple[int, int]) -> PlaceRow:
    attributes = source.scores.attrs
    side = max(round(float(attributes["cell_km"]) / float(attributes["pixel_km"])), 1)
    rate, lead = float(held["threshold"]), int(held["lead_time"])
    heading = f"{kind.title}, ≥ {rate:g} mm/h, {lead} min"
    maps = []
    for name, style in source.styles.items():
        cells = held.sel(forecaster=name).transpose("cell_y", "cell_x").to_numpy()
        picture = indexed_png(thin(spread(kind.classify(cells), side, shape)), kind.lookup)
        told = f"Map of {heading}, {style.title}: {_content(cells)}"
        maps.append(Place(style.title, picture_uri(picture), told))
    note = f"Cells of {side * float(attributes['pixel_km']):g} km. {kind.note}"
    return PlaceRow(heading, tuple(maps), kind.key, note)


def spread(cells: NDArray[np.uint8], side: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Cells as squares of pixels from the first corner on, cut at the grid's edge."""
    rows, columns = (np.arange(length) // side for length in shape)
    pixels: NDArray[np.uint8] = cells[np.ix_(rows, columns)]
    return pixels


def _content(cells: NDArray[np.float64]) -> str:
    known = cells[np.isfinite(cells)]
    if not known.size:
        return "undefined everywhere"
    low, middle, high = (number(float(value), 2) for value in np.quantile(known, (0.1, 0.5, 0.9)))
    return f"median of the cells {middle}, a tenth below {low}, a tenth above {high}"

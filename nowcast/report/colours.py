"""Reflectivity as colour, in classes of 5 dBZ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGES_DBZ = tuple(range(5, 65, 5))
NO_ECHO_CLASS = 0
MISSING_CLASS = len(EDGES_DBZ) + 1
MISSING_COLOUR = "#b4b4b0"
MAP_COLOUR = "#f6f6f1"


@dataclass(frozen=True)
class Palette:
    """One colour for each class from EDGES_DBZ upwards, "#rrggbb"."""

    title: str
    colours: tuple[str, ...]

    @property
    def lookup(self) -> NDArray[np.uint8]:
        """(classes, 4) RGBA: no echo is transparent, missing is grey."""
        rows = ["#ffffff00", *(f"{colour}ff" for colour in (*self.colours, MISSING_COLOUR))]
        return np.array([list(bytes.fromhex(row[1:])) for row in rows], np.uint8)


# sky blue to violet, red and near black: lightness falls with every class, so that the order
# holds in grey and for every kind of colour blindness
SOUND = Palette(
    "Colour-blind safe",
    (
        "#7febeb",
        "#5ed8f5",
        "#57c0fd",
        "#6da4ff",
        "#8983f8",
        "#ab5ada",
        "#c4249e",
        "#bf054a",
        "#a8051e",
        "#880212",
        "#630010",
        "#240205",
    ),
)
CLASSIC = Palette(
    "Classic radar",
    (
        "#04e9e7",
        "#019ff4",
        "#0300f4",
        "#02fd02",
        "#01c501",
        "#008e00",
        "#fdf802",
        "#e5bc00",
        "#fd9500",
        "#fd0000",
        "#d40000",
        "#bc0000",
    ),
)
PALETTES = {"sound": SOUND, "classic": CLASSIC}


def classify(dbz: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The class of each pixel, any shape.

    0 is no echo or below 5 dBZ, n is from EDGES_DBZ[n − 1] up to the next edge.

    Missing: MISSING_CLASS.
    """
    classes = np.searchsorted(EDGES_DBZ, dbz, side="right").astype(np.uint8)
    classes[np.isnan(dbz)] = MISSING_CLASS
    return classes


def rgba(dbz: NDArray[np.floating], palette: Palette = SOUND) -> NDArray[np.uint8]:
    """Colours (..., 4) of reflectivity in dBZ of any shape.

    Missing: Opaque grey; no echo and anything below 5 dBZ is transparent.
    """
    return palette.lookup[classify(np.asarray(dbz))]


# cividis: lightness rises evenly, alike for every kind of colour vision
SEQUENTIAL = (
    *("#00224e", "#123570", "#3b496c", "#575d6d", "#707173"),
    *("#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"),
)
SEQUENTIAL_EDGES = tuple(n / 10 for n in range(1, 10))
# orange for too little, violet for too much, as light as its opposite
DIVERGING = ("#b35806", "#f1a340", "#fee0b6", "#f7f7f7", "#d8daeb", "#998ec3", "#542788")
RATIO_EDGES = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out on a colour "#rrggbb"."""
    shares = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return "#000" if float(linear @ [0.2126, 0.7152, 0.0722]) > 0.18 else "#fff"

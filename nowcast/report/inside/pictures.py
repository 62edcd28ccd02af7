"""Sheets of small pictures with their words, as one PNG."""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nowcast.report.colours import DIVERGING, SEQUENTIAL
from nowcast.report.maps import picture_uri

Pixels = NDArray[np.uint8]
PAPER, INK, SOFT = "#ffffff", "#17191c", "#5a6068"
FINE = 2  # dots for each pixel of the page
GAP, LINE, LETTERS = 8, 15, 12
BAR = 180
PALEST, DENSEST = 160, 0.85  # of a tinted ground: its darkest grey, the greatest weight of colour
# the letters that Pillow brings are those of ASCII and few more
SPELLED = str.maketrans("−–×’…", "--x'.")


@dataclass(frozen=True)
class Tile:
    """One picture (h, w, 3) and a few words under it; a line break starts a new line."""

    pixels: Pixels
    caption: str = ""


@dataclass(frozen=True)
class Key:
    """What the colours mean, from the least to the greatest value."""

    colours: tuple[str, ...]
    low: str
    high: str
    title: str


@dataclass(frozen=True)
class Sheet:
    """Rows of tiles.

    Args:
        rows: Alike or not in length.
        side: Width of a tile on the page.
        headings: Above the columns.
        names: Left of the rows.
        keys: Below.
    """

    rows: Sequence[Sequence[Tile]]
    side: int = 72
    headings: Sequence[str] = ()
    names: Sequence[str] = ()
    keys: Sequence[Key] = ()

    def uri(self) -> str:
        """The sheet as a picture that holds itself."""
        return uri_of(self.draw())

    def draw(self) -> Image.Image:
        """The sheet, FINE dots for each pixel of the page."""
        left = GAP + max((_width(name) for name in self.names), default=-GAP) + GAP
        top = GAP + LINE * _lines(self.headings)
        columns = max(len(row) for row in self.rows)
        heights = [self._height(row) for row in self.rows]
        tiles = left + columns * (self.side + GAP)
        width = max(tiles, *(_key_width(key) + 2 * GAP for key in self.keys), 0)
        height = top + sum(heights) + (LINE + GAP) * len(self.keys) + GAP
        canvas = Image.new("RGB", (FINE * width, FINE * height), PAPER)
        for column, heading in enumerate(self.headings):
            write(canvas, (left + column * (self.side + GAP), GAP), heading)
        for place, row in enumerate(self.rows):
            y = top + sum(heights[:place])
            if self.names:
                write(canvas, (GAP, y), self.names[place])
            self._draw_row(canvas, row, left, y)
        for place, key in enumerate(self.keys):
            _draw_key(canvas, key, top + sum(heights) + place * (LINE + GAP))
        return canvas

    def _draw_row(self, canvas: Image.Image, row: Sequence[Tile], left: int, y: int) -> None:
        for column, tile in enumerate(row):
            x = left + column * (self.side + GAP)
            size = (FINE * self.side, FINE * _tall(tile, self.side))
            enlarged = Image.fromarray(tile.pixels).resize(size, _filter(tile, self.side))
            canvas.paste(enlarged, (FINE * x, FINE * y))
            write(canvas, (x, y + _tall(tile, self.side) + 2), tile.caption, SOFT)

    def _height(self, row: Sequence[Tile]) -> int:
        words = _lines([tile.caption for tile in row])
        names = max((_lines([name]) for name in self.names), default=0)
        return GAP + max(
            max(_tall(tile, self.side) for tile in row) + 2 + LINE * words, LINE * names
        )


def _tall(tile: Tile, side: int) -> int:
    height, width = (int(length) for length in tile.pixels.shape[:2])
    return max(round(side * height / width), 1)


def _filter(tile: Tile, side: int) -> Image.Resampling:
    enlarged = tile.pixels.shape[1] < FINE * side
    return Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS


def uri_of(canvas: Image.Image) -> str:
    """A picture as an address that holds itself."""
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return picture_uri(buffer.getvalue())


def write(
    canvas: Image.Image,
    place: tuple[float, float],
    text: str,
    colour: str = INK,
    anchor: str = "la",
    halo: bool = False,
) -> None:
    """Words at a place of the page; `anchor` as in Pillow, of single lines if not "la"."""
    brush = ImageDraw.Draw(canvas)
    stroke = 2 * FINE if halo else 0
    for row, line in enumerate(spelled(text).split("\n")):
        dot = (FINE * place[0], FINE * (place[1] + LINE * row))
        brush.text(dot, line, colour, _font(), anchor, stroke_width=stroke, stroke_fill=PAPER)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FINE * LETTERS)


def spelled(text: str) -> str:
    """The same words in ASCII, "?" for what has no such letter."""
    apart = unicodedata.normalize("NFKD", text.translate(SPELLED))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()


def _width(text: str) -> int:
    longest = max(float(_font().getlength(line)) for line in spelled(text).split("\n"))
    return math.ceil(longest / FINE)


def _lines(texts: Sequence[str]) -> int:
    return max((text.count("\n") + 1 for text in texts if text), default=0)


def _key_width(key: Key) -> int:
    return _width(key.title) + _width(key.low) + BAR + _width(key.high) + 3 * GAP


def _draw_key(canvas: Image.Image, key: Key, y: int) -> None:
    x = GAP
    write(canvas, (x, y), key.title)
    x += _width(key.title) + GAP
    write(canvas, (x, y), key.low, SOFT)
    x += _width(key.low) + GAP
    ramp = blend(np.linspace(0, 1, FINE * BAR)[None], key.colours)
    bar = Image.fromarray(ramp).resize((FINE * BAR, FINE * (LINE - 3)))
    canvas.paste(bar, (FINE * x, FINE * (y + 1)))
    write(canvas, (x + BAR + GAP, y), key.high, SOFT)


def blend(shares: NDArray[np.floating], colours: Sequence[str]) -> Pixels:
    """Shares from 0 to 1 of any shape (...) as colours (..., 3) between the given ones."""
    stops = np.array([list(bytes.fromhex(colour[1:])) for colour in colours], float)
    at = np.linspace(0, 1, len(stops))
    bounded = np.clip(shares, 0, 1)
    mixed = np.stack([np.interp(bounded, at, stops[:, band]) for band in range(3)], -1)
    return as_pixels(mixed)


def heat(values: Tensor, low: float, high: float) -> Pixels:
    """(H, W) from dark blue at `low` to yellow at `high`."""
    return blend((values.cpu().numpy() - low) / max(high - low, 1e-12), SEQUENTIAL)


def signed(values: Tensor, reach: float) -> Pixels:
    """(H, W) from orange at −reach over white at 0 to violet at reach."""
    return blend(0.5 + values.cpu().numpy() / (2 * max(reach, 1e-12)), DIVERGING)


def photograph(image: Tensor) -> Pixels:
    """(1 or 3, H, W) of 0 to 1 in grey or colour."""
    grey = np.clip(image.cpu().numpy(), 0, 1).repeat(4 - len(image) if len(image) == 1 else 1, 0)
    return as_pixels(255 * grey.transpose(1, 2, 0))


def laid_over(ground: Pixels, cover: Pixels, weight: float) -> Pixels:
    """A cover of some weight over the grey of a ground."""
    return as_pixels(weight * cover + (1 - weight) * ground.mean(-1, keepdims=True))


def tinted(ground: Pixels, values: Tensor, reach: float) -> Pixels:
    """A ground in light grey, where values are large orange (below 0) or violet (above)."""
    shares = np.abs(values.cpu().numpy())[..., None] / max(reach, 1e-12)
    grey = PALEST + (1 - PALEST / 255) * ground.mean(-1, keepdims=True)
    ends = (values.sign() * reach).cpu().numpy() / max(reach, 1e-12)
    colour = blend(0.5 + ends / 2, DIVERGING)
    return as_pixels(DENSEST * shares * colour + (1 - DENSEST * shares) * grey)


def as_pixels(values: NDArray[np.floating]) -> Pixels:
    """Numbers from 0 to 255, rounded."""
    pixels: Pixels = np.round(values).astype(np.uint8)
    return pixels

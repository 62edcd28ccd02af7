"""Test images as each method restored them, and where they err."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from nowcast.evaluation.restoration import image_psnr
from nowcast.report.classes.pictures import image_uri
from nowcast.report.colours import SEQUENTIAL
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, PictureRow
from nowcast.report.denoise.methods import in_order
from nowcast.report.inside.pictures import blend
from nowcast.report.maps import picture_uri
from nowcast.report.wording import number

MIDDLE = 96
ROOM, NARROWEST, WIDEST = 1160, 84, 168
REACHES = (16, 32, 64, 128, 255)
USUAL = 0.97

Pixels = NDArray[np.floating]


@dataclass(frozen=True)
class Cell:
    """One picture of the table."""

    address: str
    note: str
    alt: str
    aspect: float = 1.0


@dataclass(frozen=True)
class Shown:
    """One test image: its pictures by column, and under each how far it is from the clean one."""

    caption: str
    images: tuple[Cell | None, ...]
    errors: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Gallery:
    """All pictures of the page.

    Args:
        headings: Of the columns.
        rows: Of test images.
        white: The error from which the colour of errors changes no more.
        cut: Whether only the middle of images is shown.
        side: Width of a picture on the page.
        coloured: Whether errors are means over colours.
    """

    headings: tuple[str, ...]
    rows: tuple[Shown, ...]
    white: int = 0
    cut: bool = False
    side: int = NARROWEST
    coloured: bool = False


def make_gallery(facts: DenoiseFacts) -> Gallery | None:
    """The pictures in columns: clean, noisy, then the methods; None if there are none."""
    rows = [row for row in facts.rows if np.ndim(row.clean) == 3]
    if not rows:
        return None
    methods = drawn_methods(facts.methods, rows)
    white = _white(rows, {held.name for held in methods})
    ahead = ("Clean",) if facts.noise is None else ("Clean", "Noisy")
    cut = max(max(row.clean.shape[-2:]) for row in rows) > MIDDLE
    shown = tuple(_shown(row, methods, white, noisy=facts.noise is not None) for row in rows)
    headings = (*ahead, *(held.shown for held in methods))
    side = _side(rows, len(headings))
    coloured = any(len(row.clean) > 1 for row in rows)
    return Gallery(headings, shown, white, cut, side, coloured)


def _side(rows: Sequence[PictureRow], columns: int) -> int:
    """As wide as columns have room for, a whole number of times the pixels where that is large."""
    pixels = min(max(row.clean.shape[-1] for row in rows), MIDDLE)
    room = min(max(ROOM // columns - 8, NARROWEST), WIDEST)
    return int(pixels) * max(room // int(pixels), 1)


def drawn_methods(methods: Sequence[MethodFacts], rows: Sequence[PictureRow]) -> list[MethodFacts]:
    """Those that restored any of the rows, the noisy image itself apart."""
    return [
        held
        for held in in_order(methods)
        if held.kind != "nothing" and any(held.name in row.restored for row in rows)
    ]


def _white(rows: Sequence[PictureRow], names: Collection[str]) -> int:
    """A round number that most errors of the methods stay below, one bad method apart."""
    errors = [
        np.quantile(np.abs(np.clip(held, 0, 255) - row.clean), USUAL)
        for row in rows
        for name, held in row.restored.items()
        if name in names
    ]
    usual = float(np.median(errors)) if errors else 0.0
    return next((reach for reach in REACHES if reach >= usual), REACHES[-1])


def _shown(row: PictureRow, methods: Sequence[MethodFacts], white: int, *, noisy: bool) -> Shown:
    told = [(held.shown, row.restored.get(held.name)) for held in methods]
    if noisy:
        told = [("noisy", row.noisy), *told]
    clean = _cell(row.clean, f"{row.caption}, clean", "")
    images: list[Cell | None] = [clean]
    errors: list[Cell | None] = [None]
    for title, held in told:
        if held is None:
            images.append(None)
            errors.append(None)
            continue
        level = f"{number(_psnr(held, row.clean), 1)} dB"
        images.append(_cell(held, f"{row.caption}, {title}, {level}", level))
        errors.append(_error(held, row, f"{row.caption}, error of {title}", white))
    caption = row.caption if row.level is None else f"{row.caption}, level {row.level:g}"
    return Shown(caption, tuple(images), tuple(errors))


def _psnr(held: Pixels, clean: Pixels) -> float:
    pair = (torch.from_numpy(np.array(pixels, np.float64))[None] for pixels in (held, clean))
    return float(image_psnr(*pair)[0])


def _cell(pixels: Pixels, alt: str, note: str) -> Cell:
    middle = _middle(pixels)
    return Cell(_exact_uri(middle), note, alt, middle.shape[2] / middle.shape[1])


def _middle(pixels: Pixels) -> Pixels:
    """Without the margins of a large image: noise is lost where an image is shrunk."""
    cuts = [
        slice((side - min(side, MIDDLE)) // 2, (side + min(side, MIDDLE)) // 2)
        for side in pixels.shape[-2:]
    ]
    middle: Pixels = pixels[..., cuts[0], cuts[1]]
    return middle


def _exact_uri(pixels: Pixels) -> str:
    if max(pixels.shape[-2:]) < 64:
        return image_uri(pixels)
    held = np.moveaxis(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), 0, -1)
    return _png(held[..., 0] if held.shape[-1] == 1 else held)


def _error(held: Pixels, row: PictureRow, alt: str, white: int) -> Cell:
    errors = np.abs(np.clip(_middle(held), 0, 255) - _middle(row.clean)).mean(0)
    mean = number(float(errors.mean()), 1)
    colours = blend(np.rint(32 * np.clip(errors / white, 0, 1)) / 32, SEQUENTIAL)
    aspect = errors.shape[1] / errors.shape[0]
    return Cell(_png(colours), "", f"{alt}: {mean} of 255 in the mean", aspect)


def _png(pixels: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(pixels)
    if picture.mode == "RGB" and len(picture.getcolors(maxcolors=1 << 16) or ()) in range(1, 257):
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return picture_uri(buffer.getvalue())


def scale_stops() -> str:
    """The colours of errors as stops of a CSS gradient."""
    return ", ".join(SEQUENTIAL)

"""Labels and probabilities of a picture, drawn on a canvas of another size."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nowcast.evaluation.overlaps import Labels, Mask
from nowcast.report.maps import Kind, picture_uri

Pixels = NDArray[np.uint8]
Size = tuple[int, int]

QUALITY = 78
ENLARGED = 8
COARSE = 6  # times from which pixels are shown as squares
DASH = 18  # dots of a dash and the gap after it
OUTSIDE = "#3a3d42"


def canvas_size(shape: Sequence[int], longest: int) -> Size:
    """Height and width of a canvas for pictures of a shape (..., H, W), ENLARGED at most."""
    height, width = int(shape[-2]), int(shape[-1])
    scale = min(longest / max(height, width), ENLARGED)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def photograph(pixels: NDArray[np.floating], size: Size) -> Pixels:
    """Pixels (C, H, W) of 0 to 255 as colours (h, w, 3)."""
    held = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    bands = held if len(held) == 3 else np.repeat(held[:1], 3, axis=0)
    return resized(np.moveaxis(bands, 0, -1), size)


def resized(colours: Pixels, size: Size) -> Pixels:
    """Colours (H, W, 3) or shades (H, W) on a canvas; mean of the pixels where it is smaller."""
    enlarged = size[0] / colours.shape[0]
    how = Image.Resampling.NEAREST if enlarged >= COARSE else Image.Resampling.LANCZOS
    if enlarged < 1:
        how = Image.Resampling.BOX
    picture = Image.fromarray(np.ascontiguousarray(colours))
    return np.asarray(picture.resize((size[1], size[0]), how))


def spread(labels: NDArray[Kind], size: Size) -> NDArray[Kind]:
    """The label of the pixel in which each dot of a canvas lies."""
    rows, columns = (
        (np.arange(dots) * length) // dots for dots, length in zip(size, labels.shape, strict=True)
    )
    held: NDArray[Kind] = labels[np.ix_(rows, columns)]
    return held


def edges(labels: Labels) -> Mask:
    """The dots on both sides of where one label above 0 ends."""
    marked = np.zeros(labels.shape, bool)
    apart = (labels[1:] != labels[:-1]) & ((labels[1:] > 0) | (labels[:-1] > 0))
    marked[1:] |= apart
    marked[:-1] |= apart
    apart = (labels[:, 1:] != labels[:, :-1]) & ((labels[:, 1:] > 0) | (labels[:, :-1] > 0))
    marked[:, 1:] |= apart
    marked[:, :-1] |= apart
    return marked


def dashed(marked: Mask) -> Mask:
    """Half of the dots, in dashes along any line that is not the falling diagonal."""
    y, x = np.indices(marked.shape)
    kept: Mask = marked & ((x + y) % DASH < DASH // 2)
    return kept


def painted(ground: Pixels, where: Mask, colour: str, weight: float = 1.0) -> Pixels:
    """The ground with a colour laid over some of its dots."""
    drawn = ground.copy()
    drawn[where] = np.rint((1 - weight) * drawn[where] + weight * of_colour(colour))
    return drawn


def of_colour(colour: str) -> NDArray[np.float32]:
    """(3,) of "#rrggbb"."""
    return np.array(list(bytes.fromhex(colour[1:])), np.float32)


def dimmed(colours: Pixels, most: float = 0.4) -> Pixels:
    """The same in dark greys, as a ground for colours."""
    shades = colours.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    low, high = np.quantile(shades, [0.01, 0.99])
    held = np.clip((shades - low) / max(float(high - low), 1.0), 0, 1) * most * 255
    return np.repeat(np.rint(held).astype(np.uint8)[..., None], 3, axis=-1)


def jpeg_uri(colours: Pixels, *, lines: bool = False) -> str:
    """A photograph as an address that holds itself, with or without thin lines in colour."""
    sampling = "4:4:4" if lines else "4:2:0"
    buffer = io.BytesIO()
    Image.fromarray(colours).save(
        buffer, "JPEG", quality=QUALITY, subsampling=sampling, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def png_uri(colours: Pixels, most: int = 64) -> str:
    """A drawing of few colours as an address that holds itself."""
    picture = Image.fromarray(colours)
    if picture.mode == "RGB":
        picture = picture.quantize(most, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return picture_uri(buffer.getvalue())

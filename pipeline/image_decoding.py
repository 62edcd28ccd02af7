"""One picture of any kind into bytes of 0 … 255, (channels, height, width)."""

from __future__ import annotations

import io
import struct
import warnings
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Bytes = NDArray[np.uint8]
Framing = Literal["crop", "squeeze"]

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"}
)
GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
FAULTS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Frame(NamedTuple):
    """What a picture is brought to.

    Args:
        size: Side of the square in pixels; None leaves the picture as large as it is.
        channels: 1 for grey, 3 for red, green and blue; None leaves which of them it is.
        framing: "crop" resizes the shorter side and keeps the centre square, "squeeze" resizes
            both sides, which changes the aspect ratio.
    """

    size: int | None = None
    channels: int | None = None
    framing: Framing = "crop"


def decode(content: bytes, name: str, frame: Frame) -> Bytes:
    """The picture upright as its EXIF orientation says, framed, (C, h, w).

    Samples of 16 bits keep their upper 8, transparent parts become white, CMYK and palettes
    become red, green and blue, and of an animation the first picture counts.

    Raises:
        ValueError: If it is broken, of an unknown format, or of more than 8 bits without a
            stated range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.format == "JPEG" and frame.size is not None:
                    image.draft(None, (frame.size, frame.size))
                picture = _plain(ImageOps.exif_transpose(image), frame.channels)
    except FAULTS as error:
        raise ValueError(
            f"{name}: expected a whole image ({', '.join(FORMATS)}), found {_reason(error)}; "
            "replace or remove it, or skip broken images"
        ) from error
    return _channels_first(_framed(picture, frame))


def header(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Channels, height and width of a picture once upright; None if it is broken."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            grey = image.mode in GREY or image.mode in SIXTEEN_BITS
            return (1 if grey else 3), height, width
    except FAULTS:
        return None


def conform(pixels: Bytes, frame: Frame) -> Bytes:
    """A decoded picture (C, h, w), framed."""
    channels, height, width = pixels.shape
    fits = frame.size is None or frame.size == height == width
    if fits and frame.channels in (None, channels):
        return pixels
    image = Image.fromarray(pixels[0] if channels == 1 else np.moveaxis(pixels, 0, 2))
    return _channels_first(_framed(_plain(image, frame.channels), frame))


def _plain(image: Image.Image, channels: int | None) -> Image.Image:
    """In mode L or RGB, of 8 bits."""
    mode = image.mode
    if mode in SIXTEEN_BITS or (mode == "I" and image.format == "PNG"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    elif mode in {"I", "F"}:
        raise ValueError(f"samples of mode {mode!r}, of which no range is stated")
    elif mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    wanted = channels or (1 if mode in GREY or mode in SIXTEEN_BITS else 3)
    return image.convert("L" if wanted == 1 else "RGB")


def _framed(image: Image.Image, frame: Frame) -> Image.Image:
    if frame.size is None or image.size == (frame.size, frame.size):
        return image
    square = (frame.size, frame.size)
    if frame.framing == "squeeze":
        return image.resize(square, Image.Resampling.BILINEAR)
    return ImageOps.fit(image, square, Image.Resampling.BILINEAR)


def _channels_first(image: Image.Image) -> Bytes:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return "no image" if text.startswith("cannot identify") else text or type(error).__name__

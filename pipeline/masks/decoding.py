"""Pictures and masks from files of one page or many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.image_decoding import FAULTS, FORMATS, GREY, SIXTEEN_BITS

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

DEEP_MAX, DEEP_STEP = 65535, 257
WIDE = (*SIXTEEN_BITS, "I")
HALF = 128


class Page(NamedTuple):
    """One picture of a file; a file that is no stack has page 0 alone."""

    path: Path
    number: int = 0
    stacked: bool = False

    @property
    def name(self) -> str:
        """The file's path, and which of its pages."""
        return f"{self.path} page {self.number}" if self.stacked else str(self.path)


class Header(NamedTuple):
    """Pages, channels (1 or 3), height, width and whether samples have more than 8 bits."""

    pages: int
    channels: int
    size: tuple[int, int]
    deep: bool


def read_header(path: Path) -> Header:
    """What a file says of its pictures; the size is that of the first, upright.

    Raises:
        ValueError: If it is no image.
    """
    with _opened(Page(path)) as image:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = image.size[::-1] if turned else image.size
        grey = image.mode in GREY or image.mode in SIXTEEN_BITS
        pages = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
        return Header(pages, 1 if grey else 3, (height, width), image.mode in WIDE)


def read_picture(page: Page, channels: int) -> Floats:
    """The picture upright, (channels, H, W) of 0 … 255; 16 bits keep their precision.

    Raises:
        ValueError: If it is broken, or of samples without a stated range.
    """
    with _opened(page) as image:
        upright = ImageOps.exif_transpose(image)
        if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format == "PNG"):
            grey = np.asarray(upright).astype(np.float32) / DEEP_STEP
            return np.repeat(grey[None], channels, 0)
        if image.mode in {"I", "F"}:
            raise ValueError(f"samples of mode {image.mode!r}, of which no range is stated")
        pixels = np.asarray(upright.convert("L" if channels == 1 else "RGB"), np.float32)
    return pixels[None] if channels == 1 else np.ascontiguousarray(np.moveaxis(pixels, 2, 0))


def read_mask(page: Page) -> Labels:
    """The values as they are stored, (H, W); a palette's numbers, of a JPEG 0 or 255 by half.

    Raises:
        ValueError: If it is broken, coloured, or holds fractions.
    """
    with _opened(page) as image:
        if image.mode == "F":
            raise ValueError("fractions; store whole numbers")
        lossy = image.format == "JPEG"
        values = np.asarray(ImageOps.exif_transpose(image))
    if values.ndim == 3:
        values = _single(values, page)
    if lossy:
        values = np.where(values < HALF, 0, 255)
    return values.astype(np.int32)


def _single(values: NDArray[np.generic], page: Page) -> NDArray[np.generic]:
    """The one channel of a mask that was saved with several of the same."""
    colours = values[..., :3] if values.shape[2] > 2 else values[..., :1]
    if (colours != colours[..., :1]).any():
        raise ValueError(
            f"{page.name}: expected a mask of one number a pixel, found colours; "
            "save it in grey or with a palette"
        )
    return colours[..., 0]


@contextmanager
def _opened(page: Page) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(page.path, formats=FORMATS) as image:
                if page.number:
                    image.seek(page.number)
                yield image
    except FAULTS as error:
        if str(error).startswith(str(page.path)):
            raise
        raise ValueError(
            f"{page.name}: expected a whole image ({', '.join(FORMATS)}), found {_reason(error)}; "
            "replace or remove it"
        ) from error


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return "no image" if text.startswith("cannot identify") else text or type(error).__name__

"""The photographs that scikit-image brings along, cut into squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.image_decoding import Frame, decode
from pipeline.images import ImageSet
from pipeline.pictures import ArrayPictures, Bytes, Source

PHOTOGRAPHS = "skimage"
TRAIN = (
    *("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png"),
    *("hubble_deep_field.jpg", "motorcycle_left.png", "page.png", "text.png"),
)
VALIDATION = ("cell.png", "gravel.png", "rocket.jpg")
TEST = ("camera.png", "coins.png", "ihc.png", "moon.png")
NAMES = tuple(name.partition(".")[0] for name in (*TRAIN, *VALIDATION, *TEST))


def photographs(side: int = 64, crops: int = 4000, seed: int = 0) -> ImageSet:
    """Grey squares of photographs; no picture is in two parts, and a square's class is its picture.

    Training has squares drawn by the seed, as many of each picture; validation and test are their
    pictures in whole squares, row by row.

    Args:
        side: Of a square in pixels.
        crops: Squares for training.
        seed: Of the places from which they are cut.

    Raises:
        ValueError: If scikit-image is not installed or lacks a picture, or a square is larger than
            one (at the latest when it is read).
    """
    return ImageSet(
        "Photographs of scikit-image",
        _folder(),
        Source(
            NAMES,
            {
                "train": partial(_drawn, TRAIN, side, crops, seed),
                "validation": partial(_tiled, VALIDATION, side),
                "test": partial(_tiled, TEST, side),
            },
        ),
    )


def _folder() -> Path:
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise ValueError(
            f"{PHOTOGRAPHS}: expected the photographs of scikit-image, found no such package; "
            "install scikit-image"
        )
    return Path(found.origin).parent / "data"


def _read(names: Sequence[str], side: int) -> Iterator[tuple[int, Bytes]]:
    """Number of the class and grey pixels (H, W) of each picture."""
    for name in names:
        path = _folder() / name
        if not path.is_file():
            raise ValueError(
                f"{path}: expected a photograph of scikit-image, found none; install scikit-image "
                "0.25 or later"
            )
        pixels = decode(path.read_bytes(), str(path), Frame(channels=1))[0]
        if min(pixels.shape) < side:
            height, width = pixels.shape
            raise ValueError(
                f"{path}: expected at least {side} × {side} pixels, found {height} × {width}; "
                "take a smaller size"
            )
        yield NAMES.index(name.partition(".")[0]), pixels


def _drawn(names: Sequence[str], side: int, crops: int, seed: int) -> ArrayPictures:
    squares, labels = [], []
    shares = np.array_split(np.arange(crops), len(names))
    for (label, pixels), share in zip(_read(names, side), shares, strict=True):
        rng = np.random.default_rng([seed, label])
        height, width = pixels.shape
        rows = rng.integers(0, height - side, share.size, endpoint=True).tolist()
        columns = rng.integers(0, width - side, share.size, endpoint=True).tolist()
        squares += [pixels[y : y + side, x : x + side] for y, x in zip(rows, columns, strict=True)]
        labels += [label] * share.size
    return _stacked(squares, labels)


def _tiled(names: Sequence[str], side: int) -> ArrayPictures:
    squares, labels = [], []
    for label, pixels in _read(names, side):
        rows, columns = (length // side for length in pixels.shape)
        whole = pixels[: rows * side, : columns * side]
        tiles = whole.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
        squares += list(tiles)
        labels += [label] * len(tiles)
    return _stacked(squares, labels)


def _stacked(squares: Sequence[Bytes], labels: Sequence[int]) -> ArrayPictures:
    return ArrayPictures(PHOTOGRAPHS, np.stack(squares)[:, None], np.array(labels, np.int64))

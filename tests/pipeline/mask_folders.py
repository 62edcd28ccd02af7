"""Folders of pictures and masks, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.masks import MaskSplit
from pipeline.masks.decoding import Header, Page
from pipeline.masks.pairs import MaskPair
from pipeline.masks.values import MaskValues


def discs(
    height: int = 24, width: int = 32, count: int = 3, seed: int = 0, radius: int = 4
) -> NDArray[np.uint16]:
    """Objects 1 … n on a background of 0; later ones lie over earlier ones."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((height, width), np.uint16)
    rows, columns = np.ogrid[:height, :width]
    for number in range(1, count + 1):
        row, column = rng.integers(height), rng.integers(width)
        objects[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return objects


def save(array: NDArray[np.generic], path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def write_set(
    folder: Path,
    names: list[str],
    *,
    objects: bool = False,
    suffix: str = ".png",
    size: tuple[int, int] = (24, 32),
    places: tuple[str, str] = ("images", "masks"),
) -> None:
    """Grey pictures that are bright on discs; masks of objects, or of 0 and 255."""
    for seed, name in enumerate(names):
        found = discs(*size, seed=seed)
        picture = np.where(found > 0, 200, 30).astype(np.uint8)
        mask = found if objects else np.where(found > 0, 255, 0).astype(np.uint8)
        save(picture, folder / places[0] / f"{name}{suffix}")
        save(mask, folder / places[1] / f"{name}.png")


def write_stack(path: Path, pages: list[NDArray[np.generic]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest)


def one_picture(folder: Path, picture: NDArray[np.uint8], mask: NDArray[np.generic]) -> MaskSplit:
    """A split of one picture."""
    save(picture, folder / "picture.png")
    save(mask, folder / "mask.png")
    deep = mask.dtype == np.uint16
    channels = 1 if picture.ndim == 2 else 3
    header = Header(1, channels, picture.shape[:2], deep)
    pair = MaskPair(
        "picture", Page(folder / "picture.png"), Page(folder / "mask.png"), None, "", header, deep
    )
    values = MaskValues("instances" if deep else "semantic", ("background", "disc"), not deep)
    return MaskSplit("train", "made up", (pair,), channels, values)

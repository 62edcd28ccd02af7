"""IDX files: the arrays of bytes in which MNIST and its kin are kept, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures import ArrayPictures

UNSIGNED_BYTES = 0x08
PIECE = 2**24
PARTS = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array that the file holds.

    Raises:
        ValueError: If it is not IDX of unsigned bytes, or longer or shorter than it says.
    """
    try:
        with _opened(path) as file:
            shape = _shape(file, path)
            content = _up_to(math.prod(shape) + 1, file)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected an IDX file, found {error}; fetch it again") from error
    if len(content) != math.prod(shape):
        found = "more" if len(content) > math.prod(shape) else str(len(content))
        raise ValueError(
            f"{path}: expected {math.prod(shape)} bytes for an array of {shape}, found {found}; "
            "fetch it again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def idx_files(folder: Path, part: str) -> tuple[Path, Path] | None:
    """The files of images and of labels of a part, "train" or "test"; None if not there."""
    found = [
        next((path for path in _spellings(folder, PARTS[part], kind) if path.is_file()), None)
        for kind in ("images-idx3", "labels-idx1")
    ]
    return (found[0], found[1]) if found[0] and found[1] else None


def read_labelled(images: Path, labels: Path, classes: int) -> ArrayPictures:
    """The images of one file with the labels of the other.

    Raises:
        ValueError: If one is not what it should be, or the two do not belong together.
    """
    pixels, numbers = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or numbers.ndim != 1 or len(pixels) != len(numbers):
        raise ValueError(
            f"{images}: expected (N, H, W) images and N labels in {labels.name}, "
            f"found {pixels.shape} and {numbers.shape}"
        )
    if numbers.size and numbers.max() >= classes:
        raise ValueError(
            f"{labels}: expected labels below {classes}, found {numbers.max()}; "
            "correct the classes of the catalog's entry"
        )
    return ArrayPictures(str(images), pixels[:, None], numbers.astype(np.int64))


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _up_to(count: int, file: BinaryIO) -> bytes:
    """At most so many bytes, by pieces: a false header claims no memory."""
    content = bytearray()
    while piece := file.read(min(PIECE, count - len(content))):
        content += piece
    return bytes(content)


def _shape(file: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTES or not magic[3]:
        raise ValueError(
            f"{path}: expected an IDX file of unsigned bytes (0x0000080n), "
            f"found it begins with 0x{magic.hex()}"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"{path}: expected an IDX header of {4 + 4 * magic[3]} bytes, it ends")
    return struct.unpack(f">{magic[3]}I", sizes)


def _spellings(folder: Path, part: str, kind: str) -> list[Path]:
    stem, dotted = f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte"
    return [folder / f"{name}{suffix}" for name in (stem, dotted) for suffix in (".gz", "")]

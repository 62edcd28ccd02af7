"""Labelled pictures as they lie on disk or in memory, of any size and kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.image_decoding import Frame, conform

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


class Pictures(Protocol):
    """The pictures of one part of a set, each with the number of its class."""

    @property
    def labels(self) -> Integers:
        """(N,) numbers of the classes."""

    @property
    def shape(self) -> tuple[int, int | None, int | None]:
        """Channels, height and width; the last two None where the pictures differ in size."""

    def name(self, i: int) -> str:
        """Where picture i lies, for a message."""

    def decode(self, i: int, frame: Frame) -> Bytes:
        """Picture i, (C, h, w).

        Raises:
            ValueError: If the file is broken; it names the file.
        """


class Source(NamedTuple):
    """What a folder holds.

    Args:
        classes: Names of the labels, in the order of their numbers.
        parts: What reads "train", "validation" and "test", as far as the folder has them.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Callable[[], Pictures]]


@dataclass(frozen=True, eq=False)
class ArrayPictures:
    """Pictures that lie in memory.

    Args:
        path: Of the file they came from.
        pixels: (N, C, H, W).
        labels: (N,) numbers of the classes.
    """

    path: str
    pixels: Bytes
    labels: Integers

    @property
    def shape(self) -> tuple[int, int | None, int | None]:
        """Channels, height and width."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def name(self, i: int) -> str:
        """The file, and which of its images."""
        return f"{self.path}: image {i}"

    def decode(self, i: int, frame: Frame) -> Bytes:
        """Picture i, framed."""
        return conform(self.pixels[i], frame)

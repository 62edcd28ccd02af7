"""What a network said of single images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Judged:
    """One image: its place in the split, its label, the class it was taken for, how surely."""

    index: int
    label: int
    predicted: int
    probability: float


def most_confident(judged: Iterable[Judged], keep: int) -> tuple[Judged, ...]:
    """The first few by falling probability, then by index."""
    return tuple(sorted(judged, key=lambda image: (-image.probability, image.index))[:keep])


def least_sure(judged: Iterable[Judged], keep: int) -> tuple[Judged, ...]:
    """The first few by rising probability, then by index."""
    return tuple(sorted(judged, key=lambda image: (image.probability, image.index))[:keep])


def judge(
    index: NDArray[np.int64],
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probability: NDArray[np.float64],
) -> list[Judged]:
    """Columns as images."""
    columns = (values.tolist() for values in (index, label, predicted, probability))
    return [Judged(*row) for row in zip(*columns, strict=True)]

"""Where a fundus camera saw the eye."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.masks.decoding import Floats

DARK = 20.0
WIDTH = 5


def field_of_view(picture: Floats) -> NDArray[np.bool_]:
    """The field of a picture (C, H, W) with a black rim: its largest bright area, holes filled."""
    bright = ndimage.uniform_filter(picture.max(0), WIDTH) > DARK
    areas, count = ndimage.label(bright)
    if not count:
        return np.ones(bright.shape, np.bool_)
    largest = 1 + int(np.bincount(areas.ravel())[1:].argmax())
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(areas == largest)
    return filled

"""Classic cleaners of one frame: what stands alone among its neighbours is no rain.

They look at echoes alone, remove or lower them and never make one: a dry pixel stays dry, a
missing one missing. A missing neighbour, or one beyond the frame, is no witness for either side.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.reflectivity import NO_ECHO

Pixels = NDArray[np.float32]
AROUND = np.ones((3, 3), bool)
PIECE = 2**18


def median_filter(dbz: Pixels, size: int = 3) -> Pixels:
    """Each echo lowered to the median of the observed pixels around it, where that is less.

    The median is a value that was measured: of an even number of pixels, the lower middle one.

    Args:
        dbz: One frame (H, W).
        size: Side of the square around the pixel, odd.

    Raises:
        ValueError: If the size is even or below 3.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"median filter: expected an odd size of 3 or more, found {size}")
    around = sliding_window_view(np.pad(dbz, size // 2, constant_values=np.nan), (size, size))
    filtered = dbz.copy()
    rows, columns = np.nonzero(dbz > NO_ECHO)
    for start in range(0, rows.size, PIECE):
        row, column = rows[start : start + PIECE], columns[start : start + PIECE]
        values = np.sort(around[row, column].reshape(row.size, -1), axis=1)
        middle = (np.count_nonzero(~np.isnan(values), axis=1) - 1) // 2
        median = values[np.arange(row.size), middle]
        filtered[row, column] = np.minimum(dbz[row, column], median)
    return filtered


def speckle_filter(dbz: Pixels, least: int = 3, above: float = NO_ECHO) -> Pixels:
    """Echoes without enough wet neighbours become no echo.

    Args:
        dbz: One frame (H, W).
        least: Wet ones of the eight neighbours that an echo needs; where some of the eight are
            missing, the same share of the observed ones.
        above: dBZ above which a neighbour is wet.

    Missing: An echo without any observed neighbour stays.

    Raises:
        ValueError: If `least` is not 1 … 8, or `above` not finite.
    """
    _check_above("speckle filter", above)
    if not 1 <= least <= 8:
        raise ValueError(f"speckle filter: expected 1 to 8 wet neighbours, found {least}")
    wet, observed = _neighbours(dbz > above), _neighbours(~np.isnan(dbz))
    alone = (dbz > NO_ECHO) & (8 * wet < least * observed)
    return np.where(alone, np.float32(NO_ECHO), dbz)


def object_filter(dbz: Pixels, pixels: int = 9, above: float = NO_ECHO) -> Pixels:
    """Echoes that belong to no object of enough pixels become no echo.

    An object is what hangs together, over corners too, of the pixels above a reflectivity.

    Args:
        dbz: One frame (H, W).
        pixels: Least size of an object that stays.
        above: dBZ above which a pixel belongs to an object.

    Missing: An object that touches a missing pixel or the edge of the frame may be larger, and
        stays.

    Raises:
        ValueError: If `pixels` is below 1, or `above` not finite.
    """
    _check_above("object filter", above)
    if pixels < 1:
        raise ValueError(f"object filter: expected objects of 1 pixel or more, found {pixels}")
    objects, count = ndimage.label(dbz > above, AROUND)
    open_ended = ndimage.binary_dilation(np.isnan(dbz), AROUND, border_value=1)
    stays = np.bincount(objects.ravel(), minlength=count + 1) >= pixels
    stays[np.unique(objects[open_ended])] = True
    stays[0] = False
    loose = (dbz > NO_ECHO) & ~_beside(stays[objects])
    return np.where(loose, np.float32(NO_ECHO), dbz)


def _check_above(name: str, above: float) -> None:
    if not math.isfinite(above):
        raise ValueError(f"{name}: expected a finite reflectivity in dBZ, found {above}")


def _beside(kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a kept object or next to one: the weak rim of rain goes with the rain."""
    beside: NDArray[np.bool_] = ndimage.binary_dilation(kept, AROUND)
    return beside


def _neighbours(flags: NDArray[np.bool_]) -> NDArray[np.int8]:
    """How many of the eight pixels around each have the flag."""
    padded = np.pad(flags.astype(np.int8), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    counts: NDArray[np.int8] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - flags
    return counts

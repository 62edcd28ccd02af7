"""How wet and how well seen is each part of a frame?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.packing import MISSING, unpack
from pipeline.reflectivity import ZR


def saturation(zr: ZR, scale: float) -> NDArray[np.float32]:
    """1 − exp(−R / scale) of each packed value, indexed by its bits as uint16; 0 where missing."""
    dbz = unpack(np.arange(2**16, dtype=np.uint16).view(np.int16))
    saturated = -np.expm1(-zr.rain_rate(dbz) / scale)
    return np.where(np.isnan(dbz), 0, saturated).astype(np.float32)


def block_means(values: NDArray[np.generic], block: int) -> NDArray[np.float32]:
    """(T, H, W) -> (T, h, w) means over blocks of `block`² pixels, smaller at the far edges."""
    numbers = values.astype(np.float32, copy=False)
    rows, columns = (np.arange(0, side, block) for side in values.shape[1:])
    # sums of whole rows first: many times faster than np.add.reduceat along both axes
    strips = np.stack([numbers[:, row : row + block].sum(1) for row in rows], axis=1)
    heights, widths = (
        np.diff(np.append(edges, side))
        for edges, side in zip((rows, columns), values.shape[1:], strict=True)
    )
    sums = np.add.reduceat(strips, columns, 2)
    means: NDArray[np.float32] = (sums / np.outer(heights, widths)).astype(np.float32)
    return means


def wet_and_seen(
    packed: NDArray[np.int16], saturated: NDArray[np.float32], block: int
) -> NDArray[np.float32]:
    """(T, H, W) packed -> (T, 2, h, w): by block, the mean of `saturation` and the share seen."""
    means: list[NDArray[np.float32]] = []
    for frame in packed:
        # "clip" finds nothing to clip here, but spares numpy a check of every index
        wet = np.take(saturated, frame.view(np.uint16), mode="clip")
        means.append(block_means(np.stack([wet, frame != MISSING]), block))
    return np.stack(means)

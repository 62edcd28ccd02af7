"""How wet and how well seen is each part of a frame?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.packing import unpack
from pipeline.reflectivity import ZR


def saturation(zr: ZR, scale: float) -> NDArray[np.float32]:
    """1 − exp(−R / scale) of each packed value, indexed by its bits as uint16; 0 where missing."""
    dbz = unpack(np.arange(2**16, dtype=np.uint16).view(np.int16))
    saturated = -np.expm1(-zr.rain_rate(dbz) / scale)
    return np.where(np.isnan(dbz), 0, saturated).astype(np.float32)


def block_means(values: NDArray[np.generic], block: int) -> NDArray[np.float32]:
    """(T, H, W) -> (T, h, w) means over blocks of `block`² pixels, smaller at the far edges."""
    sums = values.astype(np.float32, copy=False)
    sizes = []
    for axis in (1, 2):
        edges = np.arange(0, values.shape[axis], block)
        sums = np.add.reduceat(sums, edges, axis)
        sizes.append(np.diff(np.append(edges, values.shape[axis])))
    return (sums / np.outer(*sizes)).astype(np.float32)

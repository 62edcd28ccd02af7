"""How reflectivity is stored: int16 in hundredths of a dBZ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.reflectivity import NO_ECHO

SCALE = 0.01
MISSING = -32768
HIGHEST_DBZ = 100.0


def pack(dbz: NDArray[np.floating]) -> NDArray[np.int16]:
    """Reflectivity of any shape as int16, clipped to NO_ECHO … HIGHEST_DBZ; NaN is MISSING.

    Raises:
        ValueError: If a value is infinite.
    """
    hundredths = np.multiply(dbz, 1 / SCALE, dtype=np.float32)
    missing = np.isnan(hundredths)
    np.clip(hundredths, NO_ECHO / SCALE, HIGHEST_DBZ / SCALE, out=hundredths)
    if np.isinf(dbz).any():
        raise ValueError("reflectivity: expected finite dBZ or NaN, found an infinity")
    hundredths[missing] = MISSING
    packed: NDArray[np.int16] = np.rint(hundredths, out=hundredths).astype(np.int16)
    return packed


def unpack(packed: NDArray[np.int16]) -> NDArray[np.float32]:
    """The dBZ that `pack` stored, float32, NaN where MISSING."""
    dbz = packed * np.float32(SCALE)
    dbz[packed == MISSING] = np.nan
    return dbz

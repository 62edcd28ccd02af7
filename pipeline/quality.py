"""Is a frame fit for the store, and how much of it was seen and wet?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.packing import MISSING, SCALE
from pipeline.reflectivity import ZR

WET_RATE = 0.1
IMPLAUSIBLE_DBZ = 80.0
IMPLAUSIBLE_SHARE = 0.001


@dataclass(frozen=True)
class Shares:
    """What a frame holds: observed of all pixels, wet (≥ WET_RATE mm/h) of the observed ones."""

    observed: float
    wet: float

    @classmethod
    def of(cls, packed: NDArray[np.int16], zr: ZR) -> Shares:
        """The shares of one packed frame (H, W); wet is NaN where nothing was observed."""
        observed = np.count_nonzero(packed != MISSING)
        # an integer threshold, because comparing int16 with a float first converts every pixel
        wet = np.count_nonzero(packed >= math.ceil(zr.threshold_dbz(WET_RATE) / SCALE))
        return cls(observed / packed.size, wet / observed if observed else float("nan"))


def implausible(packed: NDArray[np.int16]) -> str | None:
    """Why one packed frame (H, W) cannot be weather, or None.

    Hail and clutter reach IMPLAUSIBLE_DBZ in a few pixels; a larger share of them means that a
    missing code or another quantity was decoded as reflectivity.
    """
    beyond = np.count_nonzero(packed > round(IMPLAUSIBLE_DBZ / SCALE))
    if beyond <= 4:
        return None
    observed = np.count_nonzero(packed != MISSING)
    if beyond > IMPLAUSIBLE_SHARE * observed:
        share = f"{beyond / observed:.1%}"
        return f"expected reflectivity, found {share} of the pixels above {IMPLAUSIBLE_DBZ:.0f} dBZ"
    return None

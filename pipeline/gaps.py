"""Stretches of slots without a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def known_stretch(status: NDArray[np.int8]) -> slice:
    """From the first slot that is not missing to the last; empty where all are."""
    known = np.flatnonzero(status)
    return slice(int(known[0]), int(known[-1]) + 1) if known.size else slice(0, 0)


def find_gaps(filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(G, 2) first and last slot of each stretch without a frame, between two frames."""
    slots = np.flatnonzero(filled)
    before = np.flatnonzero(np.diff(slots) > 1)
    return np.stack([slots[before] + 1, slots[before + 1] - 1], axis=1)

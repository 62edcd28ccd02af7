"""From the integers in a file to dBZ, by one look-up a pixel."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.readers.refusal import ReadError
from pipeline.reflectivity import ZR


class Counts(NamedTuple):
    """What a 16-bit count stands for.

    Args:
        gain: Millimetres a count.
        offset: Millimetres at count 0.
        missing: Counts that stand for no value.
        signed: Whether the counts are int16 rather than uint16.
    """

    gain: float
    offset: float
    missing: frozenset[int]
    signed: bool


@lru_cache(maxsize=16)
def accumulation_table(counts: Counts, minutes: float, zr: ZR) -> NDArray[np.float32]:
    """The dBZ of each count of rain accumulated over some minutes.

    Returns:
        (65536,) indexed by the count's 16 bits taken as uint16. NaN for missing counts; no rain,
        or less than none, is NO_ECHO.

    Raises:
        ReadError: If the gain or the interval is not positive.
    """
    if not (counts.gain > 0 and minutes > 0):
        raise ReadError(
            f"expected a positive scale and interval, "
            f"found {counts.gain:g} mm a count over {minutes:g} min"
        )
    values = np.arange(65536, dtype=np.uint16)
    numbers = values.view(np.int16) if counts.signed else values
    rate = (counts.gain * numbers.astype(np.float64) + counts.offset) * (60 / minutes)
    table = zr.dbz(rate).astype(np.float32)
    table[np.isin(numbers, list(counts.missing))] = np.nan
    table.flags.writeable = False
    return table

"""How many pixels are missing, dry, and wet of which reflectivity?"""

from __future__ import annotations

import math
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.packing import MISSING, SCALE
from pipeline.quality import WET_RATE
from pipeline.reflectivity import ZR

STEP_DBZ = 5
EDGES_DBZ = tuple(range(STEP_DBZ, 70, STEP_DBZ))
# missing, dry, wet below the first edge, from each edge on to the next
CLASSES = 3 + len(EDGES_DBZ)


class Intensities(BaseModel):
    """Pixels of frames by day and class; they add.

    Args:
        edges_dbz: Between the wet classes.
        days: Day in UTC → pixels missing, dry (below WET_RATE), and wet by class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges_dbz: tuple[float, ...] = EDGES_DBZ
    days: dict[date, tuple[int, ...]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for day, counts in self.days.items():
            if len(counts) != len(self.edges_dbz) + 3:
                raise ValueError(
                    f"intensities of {day}: expected {len(self.edges_dbz) + 3} counts, "
                    f"found {len(counts)}"
                )
        return self

    @classmethod
    def of(cls, times: NDArray[np.datetime64], counts: NDArray[np.integer]) -> Intensities:
        """The sums by day of `count_intensities` (T, CLASSES) of frames at these valid times."""
        days, number = np.unique(times.astype("datetime64[D]"), return_inverse=True)
        sums = np.zeros((days.size, CLASSES), np.int64)
        np.add.at(sums, number, counts)
        return cls(
            days={day.item(): tuple(row.tolist()) for day, row in zip(days, sums, strict=True)}
        )


def count_intensities(packed: NDArray[np.int16], zr: ZR) -> NDArray[np.uint32]:
    """(T, H, W) packed -> (T, CLASSES): pixels of each class."""
    wet = math.ceil(zr.threshold_dbz(WET_RATE) / SCALE)
    limits = [MISSING + 1, wet, *(max(round(edge / SCALE), wet) for edge in EDGES_DBZ)]
    counts = np.zeros((len(packed), CLASSES), np.uint32)
    for row, frame in zip(counts, packed, strict=True):
        reached = [frame.size]
        for limit in limits:
            reached.append(np.count_nonzero(frame >= limit) if reached[-1] else 0)
        row[:] = -np.diff([*reached, 0])
    return counts

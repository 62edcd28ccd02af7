"""A store day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from pipeline.gaps import find_gaps, known_stretch
from pipeline.layout import STATUSES
from pipeline.store import FILLED, Store


@dataclass(frozen=True)
class Day:
    """The slots of one UTC day, in sums that add.

    Args:
        date: The day.
        slots: How many of each status.
        gaps: Stretches of slots without a frame that begin on it.
        wet_sum: Sum of the wet shares of the frames that know theirs.
        wet_frames: How many frames these are.
    """

    date: date
    slots: dict[str, int]
    gaps: int
    wet_sum: float
    wet_frames: int

    @property
    def frames(self) -> int:
        """Slots that a frame fills."""
        return sum(self.slots[STATUSES[code]] for code in FILLED)

    @property
    def wet_share(self) -> float:
        """Mean over the frames, of the observed pixels; NaN where none knows it."""
        return self.wet_sum / self.wet_frames if self.wet_frames else float("nan")


def days(store: Store) -> tuple[Day, ...]:
    """Every day from the first slot of which something is known to the last such slot."""
    status = store.status
    stretch = known_stretch(status)
    status, times = status[stretch], store.times[stretch]
    if not status.size:
        return ()
    dates = times.astype("datetime64[D]")
    first = dates[0]
    number = (dates - first).astype(np.int64)
    sums = _sums(number, status, store.column("wet_share", stretch))
    return tuple(
        Day((first + n).item(), dict(zip(STATUSES, slots, strict=True)), gaps, wet, frames)
        for n, (slots, gaps, wet, frames) in enumerate(zip(*sums, strict=True))
    )


def _sums(
    number: NDArray[np.int64], status: NDArray[np.int8], wet_share: NDArray[np.float32]
) -> tuple[list[list[int]], list[int], list[float], list[int]]:
    count = int(number[-1]) + 1
    filled = np.isin(status, FILLED)
    known = filled & ~np.isnan(wet_share)
    slots = np.bincount(number * len(STATUSES) + status, minlength=count * len(STATUSES))
    return (
        slots.reshape(count, -1).tolist(),
        np.bincount(number[find_gaps(filled)[:, 0]], minlength=count).tolist(),
        np.bincount(number[known], wet_share[known], minlength=count).tolist(),
        np.bincount(number[known], minlength=count).tolist(),
    )

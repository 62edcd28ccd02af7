"""The last day of a store: which slots are filled, and which are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.gaps import find_gaps
from pipeline.store import FILLED, Store

DAY = np.timedelta64(1, "D")

Gap = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class LastDay:
    """The slots of the day that ends with the newest frame, as far as the store goes back.

    Args:
        newest: Time of the newest frame.
        slots: Of the day.
        filled: How many a frame fills.
        gaps: First and last slot of each stretch without a frame.
    """

    newest: np.datetime64
    slots: slice
    filled: int
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        """Slots that no frame fills."""
        return int(self.slots.stop - self.slots.start) - self.filled

    @classmethod
    def of(cls, store: Store) -> LastDay | None:
        """The last day of a store; None without a frame."""
        newest = store.newest()
        if newest is None:
            return None
        slots = store.slots_between(newest - DAY + store.cadence, newest)
        filled = np.isin(store.column("status", slots), FILLED)
        # what is missing when the day begins lies between frames, too
        gaps = find_gaps(np.concatenate([[True], filled])) - 1
        times = store.times[slots]
        bounds = tuple((times[first], times[last]) for first, last in gaps)
        return cls(newest, slots, int(np.count_nonzero(filled)), bounds)

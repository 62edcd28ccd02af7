"""How long after a frame arrived were its forecasts there?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.service.journal import newest_days, records
from flows.service.moments import Moment


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Made(_Part):
    """How one forecast was made.

    Args:
        seconds: It took.
        fallback: Why it is another forecaster's, in one sentence; None where it is its own.
    """

    seconds: float | None = None
    fallback: str | None = None


class Cycle(_Part):
    """A line of the journal of cycles: from a file to its forecasts.

    Args:
        issue_time: Of the forecasts.
        arrived: When the file was there; None where no file of the inbox led to it.
        seen: When it was found.
        stored: When its frame was in the store.
        started: When forecasting began.
        published: When the last forecast was there.
        forecasters: Name → how it was made.
    """

    issue_time: Moment
    arrived: Moment | None = None
    seen: Moment | None = None
    stored: Moment | None = None
    started: Moment | None = None
    published: Moment
    forecasters: dict[str, Made] = {}

    @property
    def latency(self) -> float | None:
        """Seconds from arrival to the last forecast, None where no file arrived."""
        return (self.published - self.arrived).total_seconds() if self.arrived else None


class Latency(_Part):
    """From a file's arrival to the last of its forecasts, in seconds.

    Args:
        count: Cycles it is made of.
        p50: Median; None without a cycle, as the others.
        p95: Of twenty cycles one took longer.
        max: The slowest.
    """

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, cycles: Iterable[Cycle]) -> Latency:
        """The latency of some cycles; those without an arrival do not count."""
        seconds = [cycle.latency for cycle in cycles if cycle.latency is not None]
        if not seconds:
            return cls()
        middle, late, slowest = np.round(np.percentile(seconds, (50, 95, 100)), 3).tolist()
        return cls(count=len(seconds), p50=middle, p95=late, max=slowest)


def read_cycles(folder: Path, days: int = 2) -> Iterator[Cycle]:
    """The cycles of the last days of a journal, as they were written; other lines are left out."""
    for line in records(newest_days(folder, days)):
        try:
            yield Cycle.model_validate(line)
        except ValidationError:
            continue

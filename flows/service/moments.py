"""Moments in UTC, as the service writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import numpy as np
from pydantic import AfterValidator


def in_utc(time: datetime) -> datetime:
    """The same moment in UTC; a time without a zone is in UTC already."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(in_utc)]


def moment(time: np.datetime64) -> datetime:
    """A time of a store's axis, to the microsecond."""
    microseconds: datetime = time.astype("datetime64[us]").item()
    return in_utc(microseconds)


def stamp(time: datetime) -> np.datetime64:
    """The moment as a store's axis holds times."""
    return np.datetime64(in_utc(time).replace(tzinfo=None), "ns")


def wall_clock(seconds: float | None = None) -> str:
    """A time of this machine's clock in ISO 8601, to the millisecond; by default now."""
    now = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Numbers and times as readers see them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

UNDEFINED = "–"


def number(value: float, decimals: int) -> str:
    """A number with fixed decimals and a true minus sign; a dash where it is undefined."""
    if not math.isfinite(value):
        return UNDEFINED
    return f"{value:.{decimals}f}".replace("-", "−")


def rounded(value: float) -> str:
    """Two digits that count, never with an exponent."""
    return f"{float(f'{value:.2g}'):g}"


def percent(share: float) -> str:
    """A share as per cent, finer where it is small."""
    if not math.isfinite(share):
        return UNDEFINED
    decimals = 0 if share >= 0.1 or share == 0 else 1
    return f"{100 * share:.{decimals}f} %"


def duration(seconds: float | None) -> str:
    """A time span: "0.42 s", "75 s", "12 min 05 s", "2 h 10 min"."""
    if seconds is None or not math.isfinite(seconds):
        return UNDEFINED
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def as_datetime(time: datetime | np.datetime64 | str) -> datetime:
    """Any way to write a time in UTC, as a datetime without an offset."""
    plain: datetime = np.asarray(time, "datetime64[s]").item()
    return plain


def day(time: datetime) -> str:
    """ "16 Jun 2018"."""
    return f"{time.day} {time:%b %Y}"


def clock(time: datetime) -> str:
    """ "12:24 UTC"."""
    return f"{time:%H:%M} UTC"


def span(first: datetime, last: datetime) -> str:
    """Both ends of a period, the day once where it is the same."""
    if first == last:
        return f"{day(first)}, {clock(first)}"
    if first.date() == last.date():
        return f"{day(first)}, {first:%H:%M} to {clock(last)}"
    return f"{day(first)}, {first:%H:%M} to {day(last)}, {clock(last)}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def nearest(values: ArrayLike, wanted: Iterable[float]) -> list[int]:
    """Places of the values nearest to those wanted, each place once, in the order of `wanted`."""
    axis = np.asarray(values, np.float64)
    if not axis.size:
        return []
    return list(dict.fromkeys(int(np.abs(axis - value).argmin()) for value in wanted))

"""Times and cadences as people and files write them."""

from __future__ import annotations

import re

import numpy as np


def nearest_slot_time(
    valid_time: np.datetime64, origin: np.datetime64, cadence: np.timedelta64
) -> np.datetime64:
    """The time nearest to `valid_time` among origin + k · cadence."""
    return origin + round((valid_time - origin) / cadence) * cadence


def clock(time: np.datetime64) -> str:
    """A time as people read it: 2018-06-16 10:06."""
    return np.datetime_as_string(time, unit="m").replace("T", " ")


def format_cadence(cadence: np.timedelta64) -> str:
    """An ISO 8601 duration: PT6M."""
    seconds = int(cadence / np.timedelta64(1, "s"))
    return f"PT{seconds // 60}M" if seconds % 60 == 0 else f"PT{seconds}S"


def parse_cadence(text: str) -> np.timedelta64:
    """The time between slots, of an ISO 8601 duration in minutes or seconds.

    Raises:
        ValueError: If the text is none.
    """
    match = re.fullmatch(r"PT(\d+)([MS])", text)
    if not match:
        raise ValueError(f"cadence: expected a duration such as PT5M, found {text!r}")
    return np.timedelta64(int(match[1]) * (60 if match[2] == "M" else 1), "s")


def compact_clock(time: np.datetime64) -> str:
    """A time as names of files hold it: 20180616T1206Z."""
    return np.datetime_as_string(time, unit="m").replace("-", "").replace(":", "") + "Z"

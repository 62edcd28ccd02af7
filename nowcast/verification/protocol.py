"""What a tally compares, and how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import xarray as xr

from nowcast.verification.categorical import STEP_DBZ
from nowcast.verification.spatial import window_pixels
from pipeline.batch import NO_ECHO, ZR


@dataclass(frozen=True)
class Protocol:
    """What is compared, and how: tallies add only where all of this agrees.

    Args:
        forecasters: Their names.
        lead_minutes: Lead times.
        thresholds: Of events, mm/h.
        zr: Turns thresholds into dBZ and forecasts into mm/h.
        scales_km: Sides of the windows of the fractions skill score.
        pixel_km: Side of a pixel.

    Raises:
        ValueError: If one is empty, out of order, repeated or not positive.
    """

    forecasters: tuple[str, ...]
    lead_minutes: tuple[int, ...]
    thresholds: tuple[float, ...]
    zr: ZR
    scales_km: tuple[float, ...]
    pixel_km: float

    def __post_init__(self) -> None:
        if not self.forecasters or len(set(self.forecasters)) < len(self.forecasters):
            names = list(self.forecasters)
            raise ValueError(f"tally: expected forecasters of different names, found {names}")
        for name in ("lead_minutes", "thresholds", "scales_km"):
            values = getattr(self, name)
            if not values or not all(a < b for a, b in pairwise((0, *values, math.inf))):
                raise ValueError(f"tally: expected {name} above 0 and rising, found {list(values)}")
        if not self.pixel_km > 0:
            raise ValueError(f"tally: expected pixel_km above 0, found {self.pixel_km}")
        if self.thresholds_dbz[0] <= NO_ECHO:
            found = f"{self.thresholds[0]:g} mm/h"
            raise ValueError(f"tally: expected thresholds above {NO_ECHO:g} dBZ, found {found}")

    @property
    def thresholds_dbz(self) -> tuple[float, ...]:
        """The thresholds as reflectivity."""
        return tuple(self.zr.threshold_dbz(threshold) for threshold in self.thresholds)

    @property
    def widths(self) -> tuple[int, ...]:
        """The windows' sides in pixels."""
        return tuple(window_pixels(scale, self.pixel_km) for scale in self.scales_km)

    def difference(self, other: Protocol) -> str | None:
        """The first thing that sets the other apart, with both values; None if they agree."""
        for field in fields(self):
            here, there = getattr(self, field.name), getattr(other, field.name)
            if here != there:
                return f"{field.name} {here}, found {there}"
        return None

    def coordinates(self) -> dict[str, xr.Variable]:
        """The axes of a scores file but for issue time."""
        return {
            "forecaster": xr.Variable("forecaster", np.array(self.forecasters)),
            "lead_time": xr.Variable(
                "lead_time",
                np.array(self.lead_minutes, np.int64),
                {"standard_name": "forecast_period", "units": "minutes"},
            ),
            "threshold": _axis("threshold", self.thresholds, "rain rate of an event", "mm h-1"),
            "threshold_dbz": _axis("threshold", self.thresholds_dbz, "the same in dBZ", "dBZ"),
            "scale": _axis("scale", self.scales_km, "side of the window", "km"),
            "window_pixels": _axis("scale", self.widths, "side of the window in pixels", "1"),
        }

    def attributes(self) -> dict[str, str | float]:
        """What a scores file says of itself."""
        return {
            "Conventions": "CF-1.11",
            "title": "Scores of forecasts of radar reflectivity",
            "mask": "pixels observed and forecast by every forecaster, the same for all",
            "thresholds": (
                "rain rate through Z = zr_a R^zr_b, compared as reflectivity; an event from "
                f"midway below the first step of {STEP_DBZ} dBZ that can hold the threshold"
            ),
            "windows": "fractions of the compared pixels in a window, around each compared pixel",
            "pooling": "sums over issue times, then the score",
            "zr_a": self.zr.a,
            "zr_b": self.zr.b,
            "pixel_km": self.pixel_km,
        }

    @classmethod
    def of(cls, scores: xr.Dataset) -> Protocol:
        """The protocol that a scores file states."""
        return cls(
            tuple(str(name) for name in scores["forecaster"].to_numpy()),
            tuple(int(minutes) for minutes in scores["lead_time"]),
            tuple(float(rate) for rate in scores["threshold"]),
            ZR(float(scores.attrs["zr_a"]), float(scores.attrs["zr_b"])),
            tuple(float(scale) for scale in scores["scale"]),
            float(scores.attrs["pixel_km"]),
        )


def _axis(dim: str, values: Sequence[float], long_name: str, units: str) -> xr.Variable:
    return xr.Variable(dim, np.array(values), {"long_name": long_name, "units": units})

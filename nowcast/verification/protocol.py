"""What a tally compares, and how."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise

import numpy as np
import xarray as xr

from nowcast.verification.counts import STEP_DBZ
from nowcast.verification.windows import window_pixels
from pipeline.batch import NO_ECHO, ZR

FLOOR_DBZ = 0.0
BINS_DBZ = tuple(float(dbz) for dbz in range(61))
PROBABILITIES = tuple(tenth / 10 for tenth in range(11))
BANDS = 27
DEFAULT_PARTS = ("categorical", "continuous", "spatial")

RULES = {
    "mask": "pixels observed and forecast by every forecaster, the same for all",
    "thresholds": (
        "rain rate through Z = zr_a R^zr_b, compared as reflectivity; an event from midway below "
        f"the first step of {STEP_DBZ} dBZ that can hold the threshold"
    ),
    "windows": "fractions of the compared pixels in a window, around each compared pixel",
    "pooling": "sums over issue times, then the score",
    "reflectivity": f"below {FLOOR_DBZ:g} dBZ and dry both count as {FLOOR_DBZ:g} dBZ",
}


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
        cadence_minutes: Step between observed frames; None if unknown.
        members: Of the ensembles; 1 without any.
        cell_km: Side of the cells of the maps.
        parts: What is counted.

    Raises:
        ValueError: If one is empty, out of order, repeated or not positive.
    """

    forecasters: tuple[str, ...]
    lead_minutes: tuple[int, ...]
    thresholds: tuple[float, ...]
    zr: ZR
    scales_km: tuple[float, ...]
    pixel_km: float
    cadence_minutes: int | None = None
    members: int = 1
    cell_km: float = 16.0
    parts: tuple[str, ...] = DEFAULT_PARTS

    def __post_init__(self) -> None:
        if not self.forecasters or len(set(self.forecasters)) < len(self.forecasters):
            names = list(self.forecasters)
            raise ValueError(f"tally: expected forecasters of different names, found {names}")
        for name in ("lead_minutes", "thresholds", "scales_km"):
            values = getattr(self, name)
            if not values or not all(a < b for a, b in pairwise((0, *values, math.inf))):
                raise ValueError(f"tally: expected {name} above 0 and rising, found {list(values)}")
        for name in ("pixel_km", "cell_km", "members", "cadence_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"tally: expected {name} above 0, found {value}")
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

    @property
    def cell_pixels(self) -> int:
        """Side of the maps' cells in pixels."""
        return max(round(self.cell_km / self.pixel_km), 1)

    @property
    def wavelengths_km(self) -> tuple[float, ...]:
        """Centres of the spectra's bands: thirds of octaves from two pixels on."""
        return tuple(2 * self.pixel_km * 2 ** (band / 3) for band in range(BANDS))

    @property
    def id(self) -> str:
        """Names the rules of the comparison, whoever was compared, at whatever lead times."""
        apart = {"forecasters", "lead_minutes", "members", "parts"}
        held = {name: value for name, value in asdict(self).items() if name not in apart}
        text = json.dumps(held | {"rules": RULES}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def difference(self, other: Protocol) -> str | None:
        """The first thing that sets the other apart, with both values; None if they agree."""
        for field in fields(self):
            here, there = getattr(self, field.name), getattr(other, field.name)
            if here != there:
                return f"{field.name} {here}, found {there}"
        return None

    def coordinates(self) -> dict[str, xr.Variable]:
        """The axes of a scores file but for issue time and the maps' cells."""
        rates, wavelengths = self.thresholds, self.wavelengths_km
        ranks = range(self.members + 1)
        return {
            "forecaster": xr.Variable("forecaster", np.array(self.forecasters)),
            "lead_time": xr.Variable(
                "lead_time",
                np.array(self.lead_minutes, np.int64),
                {"standard_name": "forecast_period", "units": "minutes"},
            ),
            "threshold": _axis("threshold", rates, "rain rate of an event", "mm h-1"),
            "threshold_dbz": _axis("threshold", self.thresholds_dbz, "the same in dBZ", "dBZ"),
            "scale": _axis("scale", self.scales_km, "side of the window", "km"),
            "window_pixels": _axis("scale", self.widths, "side of the window in pixels", "1"),
            "intensity": _axis("intensity", (0.0, *rates), "observed rain rate from", "mm h-1"),
            "dbz_bin": _axis("dbz_bin", (NO_ECHO, *BINS_DBZ), "forecast from", "dBZ"),
            "wavelength": _axis("wavelength", wavelengths, "centre of the band", "km"),
            "probability": _axis("probability", PROBABILITIES, "nearest forecast tenth", "1"),
            "rank": _axis("rank", ranks, "members below the observed", "1"),
        }

    def attributes(self) -> dict[str, str | float]:
        """What a scores file says of itself."""
        return {
            "Conventions": "CF-1.11",
            "title": "Scores of forecasts of radar reflectivity",
            **RULES,
            "zr_a": self.zr.a,
            "zr_b": self.zr.b,
            "pixel_km": self.pixel_km,
            "cell_km": self.cell_km,
            "protocol": json.dumps(asdict(self)),
            "protocol_id": self.id,
        }

    @classmethod
    def of(cls, scores: xr.Dataset) -> Protocol:
        """The protocol that a scores file states.

        Raises:
            ValueError: If it states none, or one of other rules than these.
        """
        if "protocol" not in scores.attrs:
            raise ValueError("scores: expected the attribute 'protocol' of a scores file")
        held = json.loads(scores.attrs["protocol"])
        zr = ZR(**held.pop("zr"))
        lists = {name: tuple(value) for name, value in held.items() if isinstance(value, list)}
        protocol = cls(**held | lists, zr=zr)
        stated = scores.attrs.get("protocol_id")
        if stated != protocol.id:
            raise ValueError(
                f"scores: expected protocol {protocol.id}, found {stated}; made by other rules, "
                "score those forecasts again"
            )
        return protocol


def _axis(dim: str, values: Sequence[float], long_name: str, units: str) -> xr.Variable:
    return xr.Variable(dim, np.array(values), {"long_name": long_name, "units": units})

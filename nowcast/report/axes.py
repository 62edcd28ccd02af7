"""Where values lie along the side of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nowcast.report.maps import tick_step
from nowcast.report.wording import rounded

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which may be the smaller; logarithmic ones hold base-2 logarithms."""

    low: float
    high: float
    ticks: Ticks
    logarithmic: bool = False
    marked: float | None = None

    @classmethod
    def from_zero(cls, values: NDArray[np.float64]) -> Axis:
        """From 0 to a round number above every value."""
        known = values[np.isfinite(values)]
        top = float(known.max(initial=0)) or 1.0
        return cls.between(0, top)

    @classmethod
    def round_zero(cls, values: NDArray[np.float64]) -> Axis:
        """From below 0 to above it, with 0 marked."""
        known = values[np.isfinite(values)]
        low, high = float(known.min(initial=0)), float(known.max(initial=0))
        if low == high == 0:
            low, high = -1.0, 1.0
        return cls.between(low, high, marked=0)

    @classmethod
    def between(cls, low: float, high: float, marked: float | None = None) -> Axis:
        """From and to round numbers about both, in at most about six steps."""
        step = tick_step(high - low, most=5)
        first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
        ticks = tuple(
            (n * step, f"{n * step:.4g}".replace("-", "−")) for n in range(first, last + 1)
        )
        return cls(first * step, last * step, ticks, marked=marked)

    @classmethod
    def of_ratios(cls, values: NDArray[np.float64], most: int = 4) -> Axis:
        """By doublings round 1, at most so many each way; what lies beyond is drawn at the end."""
        known = values[np.isfinite(values) & (values > 0)]
        octaves = np.log2(known)
        low = int(np.clip(np.floor(octaves.min(initial=-1)), -most, -1))
        high = int(np.clip(np.ceil(octaves.max(initial=1)), 1, most))
        every = 1 + (high - low) // 7
        ticks = tuple(
            (2.0**n, f"{2**n}" if n >= 0 else f"1/{2**-n}")
            for n in range(low, high + 1)
            if n % every == 0
        )
        return cls(low, high, ticks, logarithmic=True, marked=1)

    @classmethod
    def of_powers(cls, values: NDArray[np.float64]) -> Axis:
        """By powers of ten, at most about six marks; values that are not above 0 lie below."""
        known = np.log10(values[np.isfinite(values) & (values > 0)])
        known = known if known.size else np.zeros(1)
        low, high = int(np.floor(known.min())), int(np.ceil(known.max()))
        high = max(high, low + 1)
        every = max(1, -(-(high - low) // 6))
        powers = range(low, high + 1, every)
        ticks = tuple((10.0**n, _power(n)) for n in powers)
        return cls(low * np.log2(10), high * np.log2(10), ticks, logarithmic=True)

    @classmethod
    def of_octaves(cls, values: Sequence[float]) -> Axis:
        """From the largest to the smallest by halvings, a mark every second octave."""
        octaves = np.log2(values)
        low, high = float(octaves.max()), float(octaves.min())
        steps = np.arange(0, max(low - high, 0) + 1e-6, 2)[::-1]
        ticks = tuple((float(2 ** (high + step)), rounded(2 ** (high + step))) for step in steps)
        return cls(low, high if high < low else low - 1, ticks, logarithmic=True)

    @classmethod
    def of_shares(cls) -> Axis:
        """From 0 to 1."""
        return cls(0, 1, tuple((n / 5, f"{n / 5:g}") for n in range(6)))

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Axis:
        """One place for each name, at 0, 1, 2 …"""
        return cls(-0.5, len(names) - 0.5, tuple(enumerate(names)))

    def share(self, value: float) -> float:
        """The place of a value: 0 at `low`, 1 at `high`, never beyond."""
        if self.logarithmic:
            value = float(np.log2(value)) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return float(min(max(share, 0.0), 1.0))


def _power(exponent: int) -> str:
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{10.0**exponent:g}" if -2 <= exponent <= 3 else f"10{raised}"

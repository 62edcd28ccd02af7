"""How much of a map is wet, and what that says of the next hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from nowcast.report.live_facts import ForecastFacts, SkyFacts
from nowcast.report.wording import clock, percent, rounded
from pipeline.batch import ZR

WET_RATE = 0.1
AHEAD = (30, 60)
KNOWN_ENOUGH = 0.95
# a change that a reader would call one: by this ratio, and this share of the map
CHANGE, STEP = 1.15, 0.01
HYPHEN, SPACE = "\u2011", "\u00a0"  # where lines do not break


@dataclass(frozen=True)
class Rain:
    """What a map holds.

    Args:
        wet_share: Of the known pixels, ≥ WET_RATE mm/h; NaN where all are missing.
        known_share: Of all pixels.
        heaviest: mm/h; NaN where all are missing.
    """

    wet_share: float
    known_share: float
    heaviest: float

    @classmethod
    def of(cls, dbz: NDArray[np.floating], zr: ZR) -> Rain:
        """Of a map, any shape."""
        known = int(dbz.size - np.count_nonzero(np.isnan(dbz)))
        if not known:
            return cls(float("nan"), 0.0, float("nan"))
        wet = int(np.count_nonzero(dbz >= zr.threshold_dbz(WET_RATE)))
        heaviest = float(zr.rain_rate(np.nanmax(dbz)))
        return cls(wet / known, known / dbz.size, heaviest)

    @property
    def words(self) -> str:
        """The same in words."""
        if not self.known_share:
            return "all missing"
        told = f"{percent(self.wet_share)} of it with {WET_RATE:g} mm/h or more"
        if self.known_share < 1:
            told += f", {percent(1 - self.known_share)} missing"
        return f"{told}, the heaviest {rate(self.heaviest)}" if self.wet_share else told


def ahead(sky: SkyFacts, forecast: ForecastFacts) -> list[int]:
    """Places of the fields that are valid after the newest frame."""
    newest = sky.times[-1]
    return [place for place, time in enumerate(forecast.valid_times) if time > newest]


def headline(sky: SkyFacts, forecast: ForecastFacts | None, title: str) -> str:
    """What is going to happen in the next hour, in one sentence.

    The wet shares are those of the pixels that all of the maps compared know; where these are
    few, another sentence says so.
    """
    told = _headline(sky, forecast, title)
    return told.replace(" %", f"{SPACE}%").replace(" mm/h", f"{SPACE}mm/h")


def _headline(sky: SkyFacts, forecast: ForecastFacts | None, title: str) -> str:
    now, at = Rain.of(sky.observed[-1], sky.zr), clock(sky.times[-1])
    if forecast is None or not (coming := ahead(sky, forecast)):
        return f"At {at} {_area(now)}; there is no forecast of what comes."
    later = [Rain.of(forecast.dbz[place], sky.zr) for place in coming]
    strongest = max((rain.heaviest for rain in later if rain.known_share), default=np.nan)
    places = _nearest(sky, forecast, coming)
    shares, known_share = _compared([sky.observed[-1], *(forecast.dbz[n] for n in places)], sky.zr)
    if not known_share:
        return f"At {at} {_area(now)}; the forecast knows nothing of that part of the map."
    source = _source(forecast, title)
    if max(now.heaviest, strongest) < WET_RATE:
        until = clock(forecast.valid_times[-1])
        return f"Dry at {at}, and {source} forecasts no rain until {until}."
    forecast_shares = " and ".join(
        f"{percent(share)} at {forecast.valid_times[place]:%H:%M}"
        for place, share in zip(places, shares[1:], strict=True)
    )
    part = ""
    if known_share < KNOWN_ENOUGH:
        part = f" Shares are of the {percent(known_share)} of the map that all of these maps know."
    return (
        f"{_trend(shares[0], shares[-1])}: {percent(shares[0])} of the map is wet at {at}, and by "
        f"{source} {forecast_shares}; the heaviest rain is {rate(now.heaviest)}, in the forecast "
        f"{rate(strongest)}.{part}"
    )


def _compared(maps: list[NDArray[np.floating]], zr: ZR) -> tuple[list[float], float]:
    """Wet share of each map among the pixels that all know, and the share of these."""
    known = ~np.isnan(np.stack(maps)).any(0)
    return [Rain.of(dbz[known], zr).wet_share for dbz in maps], float(known.mean())


def _source(forecast: ForecastFacts, title: str) -> str:
    whole = title.replace("-", HYPHEN)
    return f"extrapolation in place of {whole}" if forecast.fallback else whole


def _trend(before: float, after: float) -> str:
    if max(before, after) == 0:
        return "Hardly any rain"
    if after > max(CHANGE * before, before + STEP):
        return "Rain is spreading"
    if after < min(before / CHANGE, before - STEP):
        return "Rain is receding"
    return "Rain stays about as wide"


def _area(rain: Rain) -> str:
    if not rain.known_share:
        return "the newest frame is all missing"
    if not rain.wet_share:
        return "the map is dry"
    return f"{percent(rain.wet_share)} of the map is wet, the heaviest rain {rate(rain.heaviest)}"


def _nearest(sky: SkyFacts, forecast: ForecastFacts, coming: list[int]) -> list[int]:
    wanted = [sky.times[-1] + timedelta(minutes=minutes) for minutes in AHEAD]

    def nearest(to: datetime) -> int:
        return min(coming, key=lambda place: abs(forecast.valid_times[place] - to))

    return list(dict.fromkeys(map(nearest, wanted)))


def rate(millimetres: float) -> str:
    """A rain rate for readers."""
    if not np.isfinite(millimetres):
        return "unknown"
    return f"{rounded(millimetres)} mm/h" if millimetres >= WET_RATE else f"below {WET_RATE:g} mm/h"

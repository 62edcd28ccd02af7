"""The last hour and the next as pictures: what the player plays, and stills for paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report.cases import Album
from nowcast.report.live_facts import ForecastFacts, SkyFacts
from nowcast.report.live_rain import Rain, ahead
from nowcast.report.maps import MapFrame, data_uri
from nowcast.report.styles import Style
from nowcast.report.wording import clock, day, nearest

WIDEST = 512
STILLS = (20, 40, 60)


@dataclass(frozen=True)
class Shown:
    """One map: its picture, what it holds, and how far from the newest frame it is."""

    minutes: int
    valid: datetime
    picture: str
    rain: Rain
    filled: bool = True

    def told(self, title: str) -> str:
        """In words, for those who do not see it."""
        held = self.rain.words if self.filled else "no frame"
        return f"{title} at {clock(self.valid)}: {held}"


@dataclass(frozen=True)
class Still:
    """A map for those who cannot play."""

    title: str
    picture: str
    description: str


@dataclass(frozen=True)
class Play:
    """All maps of the last hour and the next.

    Args:
        past: Observed; the newest frame last.
        future: Forecaster → its maps after the newest frame.
        styles: Of the forecasters.
    """

    past: tuple[Shown, ...]
    future: Mapping[str, tuple[Shown, ...]]
    styles: Mapping[str, Style] = field(default_factory=dict)

    @classmethod
    def of(cls, sky: SkyFacts, styles: Mapping[str, Style]) -> Play:
        """Draw every map once; forecasters in the order of `styles`."""
        past = tuple(
            _shown(sky, time, field, filled)
            for time, field, filled in zip(sky.times, sky.observed, sky.filled, strict=True)
        )
        made = {forecast.name: forecast for forecast in sky.forecasts}
        future = {name: _future(sky, made[name]) for name in styles if name in made}
        return cls(past, future, styles)

    def stills(self, chosen: str | None) -> list[Still]:
        """The newest frame, and about three maps of one forecaster."""
        newest = self.past[-1]
        told = f"Observed {clock(newest.valid)}"
        stills = [Still(told, newest.picture, newest.told("Observed"))]
        if chosen is None:
            return stills
        maps, title = self.future[chosen], self.styles[chosen].title
        for place in nearest([shown.minutes for shown in maps], STILLS):
            shown = maps[place]
            heading = f"{title}, {clock(shown.valid)}"
            stills.append(Still(heading, shown.picture, shown.told(title)))
        return stills

    def movie(self, album: Album) -> dict[str, Any]:
        """What the script plays; pictures by their place in the album."""

        def step(shown: Shown, title: str) -> dict[str, Any]:
            valid = clock(shown.valid)
            if shown.valid.date() != self.past[-1].valid.date():
                valid = f"{valid}, {day(shown.valid)}"
            return {
                "minutes": shown.minutes,
                "valid": valid,
                "told": shown.told(title),
                "filled": shown.filled,
                "picture": album.place(shown.picture),
            }

        return {
            "past": [step(shown, "Observed") for shown in self.past],
            "future": {
                name: [step(shown, f"Forecast of {self.styles[name].title}") for shown in maps]
                for name, maps in self.future.items()
            },
        }


def map_frame(sky: SkyFacts) -> MapFrame:
    """The box that all maps share."""
    units = {"units": "degrees" if sky.degrees else "m"}
    return MapFrame.of(xr.Dataset({"x": ("x", sky.x, units), "y": ("y", sky.y, units)}))


def _future(sky: SkyFacts, forecast: ForecastFacts) -> tuple[Shown, ...]:
    return tuple(
        _shown(sky, forecast.valid_times[place], forecast.dbz[place], True)
        for place in ahead(sky, forecast)
    )


def _shown(sky: SkyFacts, valid: datetime, dbz: NDArray[np.floating], filled: bool) -> Shown:
    minutes = round((valid - sky.times[-1]) / timedelta(minutes=1))
    return Shown(minutes, valid, data_uri(_small(dbz)), Rain.of(dbz, sky.zr), filled)


def _small(dbz: NDArray[np.floating]) -> NDArray[np.floating]:
    """Every n-th pixel, so that no side is above WIDEST; never an average."""
    step = -(-max(dbz.shape) // WIDEST)
    return dbz[step // 2 :: step, step // 2 :: step]

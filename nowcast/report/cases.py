"""Cases to look at: observed and forecast maps side by side, and in motion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report.maps import data_uri, event_csi
from nowcast.report.styles import Style
from nowcast.report.wording import as_datetime, clock, day, nearest, number, percent
from pipeline.batch import ZR

LEADS = (6, 24, 42, 60)
THRESHOLD = 1.0


@dataclass(frozen=True)
class Map:
    """One picture with its words; no CSI where the map is the observed one."""

    title: str
    picture: str
    description: str
    csi: str | None = None


@dataclass(frozen=True)
class Row:
    """The maps of one lead time."""

    lead: int
    valid: str
    maps: tuple[Map, ...]


@dataclass(frozen=True)
class Case:
    """One issue time: why it is shown, the rows of its panel and what the player plays."""

    issued: str
    why: str
    rows: tuple[Row, ...]
    movie: Mapping[str, Any]


class Album:
    """Every picture of a page once: itself, or its place among those that the panels show."""

    def __init__(self) -> None:
        self.pictures: list[str | int] = []
        self._places: dict[str, int] = {}
        self._shown = 0

    def show(self, picture: str) -> None:
        """The next picture of the panels."""
        self._hold(picture, self._shown)
        self._shown += 1

    def place(self, picture: str) -> int:
        """Where a picture is in `pictures`."""
        return self._hold(picture, picture)

    def _hold(self, picture: str, held: str | int) -> int:
        if picture not in self._places:
            self._places[picture] = len(self.pictures)
            self.pictures.append(held)
        return self._places[picture]


def make_cases(
    held: Sequence[xr.Dataset], styles: Mapping[str, Style], zr: ZR
) -> tuple[list[Case], list[str | int]]:
    """The cases in their order, and all their pictures as of an album."""
    panels = [
        tuple(
            _row(case.isel(lead_time=lead), styles, zr)
            for lead in nearest(case["lead_time"], LEADS)
        )
        for case in held
    ]
    album = Album()
    for row in chain.from_iterable(panels):
        for shown in row.maps:
            album.show(shown.picture)
    cases = [
        Case(_issued(case), str(case.attrs.get("why", "")), rows, make_movie(case, styles, album))
        for case, rows in zip(held, panels, strict=True)
    ]
    return cases, album.pictures


def _issued(case: xr.Dataset) -> str:
    issued = as_datetime(case.attrs["issue_time"])
    return f"{day(issued)}, {clock(issued)}"


def _row(at_lead: xr.Dataset, styles: Mapping[str, Style], zr: ZR) -> Row:
    lead = int(at_lead["lead_time"])
    valid = valid_time(at_lead, lead)
    observed = at_lead["observed"].to_numpy()
    forecasts = at_lead["forecast"].sel(forecaster=list(styles)).to_numpy()
    maps = [Map("Observed", data_uri(observed), f"Observed at {valid}: {_content(observed, zr)}")]
    scored = event_csi(forecasts, observed, THRESHOLD, zr)
    for style, field, csi in zip(styles.values(), forecasts, scored, strict=True):
        score = f"CSI {number(float(csi), 2)}"
        told = f"{style.title} for {valid}, {lead} min ahead: {_content(field, zr)}; {score}"
        maps.append(Map(style.title, data_uri(field), told, score))
    return Row(lead, valid, tuple(maps))


def _content(field: NDArray[np.floating], zr: ZR) -> str:
    seen = ~np.isnan(field)
    if not seen.any():
        return "all missing"
    wet = float((field[seen] >= zr.threshold_dbz(THRESHOLD)).mean())
    told = f"{percent(wet)} of it with {THRESHOLD:g} mm/h or more"
    return told if seen.all() else f"{told}, {percent(float(1 - seen.mean()))} missing"


def valid_time(case: xr.Dataset, minutes: int) -> str:
    """The clock `minutes` after the issue time, with the day where it is another one."""
    issued = as_datetime(case.attrs["issue_time"])
    valid = issued + timedelta(minutes=minutes)
    return clock(valid) if valid.date() == issued.date() else f"{clock(valid)}, {day(valid)}"


def make_movie(case: xr.Dataset, styles: Mapping[str, Style], album: Album) -> dict[str, Any]:
    """What the player plays: steps, and for each map its pictures by their place in the album.

    Before the issue time only the observed map has pictures.
    """
    issued = as_datetime(case.attrs["issue_time"])
    before = [
        round((as_datetime(time) - issued).total_seconds() / 60) for time in case["time"].to_numpy()
    ]
    ahead = [int(lead) for lead in case["lead_time"]]
    steps = [{"minutes": lead, "valid": valid_time(case, lead)} for lead in (*before, *ahead)]

    def places(fields: Iterable[NDArray[np.floating]]) -> list[int]:
        return [album.place(data_uri(field)) for field in fields]

    seen = chain(case["past"].to_numpy(), case["observed"].to_numpy())
    maps = [{"title": "Observed", "pictures": places(seen)}]
    for name, style in styles.items():
        fields = case["forecast"].sel(forecaster=name).to_numpy()
        maps.append({"title": style.title, "pictures": places(fields)})
    return {"steps": steps, "past": len(before), "maps": maps}

"""One case to look at: observed and forecast maps side by side, and in motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
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


def make_rows(case: xr.Dataset, styles: Mapping[str, Style], zr: ZR) -> list[Row]:
    """The rows of the panel, at about 6, 24, 42 and 60 minutes."""
    minutes = case["lead_time"].to_numpy()
    return [_row(case.isel(lead_time=lead), styles, zr) for lead in nearest(minutes, LEADS)]


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


def make_player(case: xr.Dataset, styles: Mapping[str, Style]) -> dict[str, Any]:
    """What the player plays: steps, and for each map its pictures.

    Before the issue time only the observed map has pictures.
    """
    issued = as_datetime(case.attrs["issue_time"])
    before = [
        round((as_datetime(time) - issued).total_seconds() / 60) for time in case["time"].to_numpy()
    ]
    ahead = [int(lead) for lead in case["lead_time"]]
    steps = [{"minutes": lead, "valid": valid_time(case, lead)} for lead in (*before, *ahead)]
    seen = [*case["past"].to_numpy(), *case["observed"].to_numpy()]
    maps = [{"title": "Observed", "pictures": [data_uri(field) for field in seen]}]
    for name, style in styles.items():
        fields = case["forecast"].sel(forecaster=name).to_numpy()
        maps.append({"title": style.title, "pictures": [data_uri(field) for field in fields]})
    return {"steps": steps, "past": len(before), "maps": maps}

"""The live page: what is going to happen in the next hour, and how the service does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from nowcast.report import colours, live_charts, wording
from nowcast.report.cases import Album
from nowcast.report.figures import key_mark
from nowcast.report.live_facts import ForecastFacts, LiveFacts, SkyFacts
from nowcast.report.live_movie import Play, Shown, map_frame
from nowcast.report.live_rain import WET_RATE, headline
from nowcast.report.spectra import OBSERVED
from nowcast.report.styles import Style, make_styles
from nowcast.report.template import render_page, write_whole

REFERENCE = "extrapolation"
GAPS_SHOWN = 6
FEW_ISSUE_TIMES = 20


def write_live_page(path: Path, facts: LiveFacts) -> Path:
    """Write the page; it appears whole or not at all."""
    return write_whole(path, render_live(facts))


def render_live(facts: LiveFacts) -> str:
    """The page's text."""
    forecasts = {made.name: made for made in facts.sky.forecasts} if facts.sky else {}
    scored = facts.skill.csi if facts.skill else {}
    styles = make_styles(list(dict.fromkeys((*forecasts, *scored))), {})
    return render_page(
        "live.html",
        filters=FILTERS,
        facts=facts,
        styles=styles,
        palettes=colours.PALETTES,
        map_colour=colours.MAP_COLOUR,
        missing_colour=colours.MISSING_COLOUR,
        wet_rate=WET_RATE,
        gaps_shown=GAPS_SHOWN,
        few=FEW_ISSUE_TIMES,
        observed=OBSERVED,
        cases=[],
        skill_chart=live_charts.skill(facts.skill, styles) if facts.skill else None,
        skill_key=[style for name, style in styles.items() if name in scored],
        **_sky(facts, forecasts, styles),
    )


def _sky(
    facts: LiveFacts, forecasts: Mapping[str, ForecastFacts], styles: Mapping[str, Style]
) -> dict[str, Any]:
    """What is seen of the sky; nothing without a frame."""
    if facts.sky is None:
        return {"headline": "There is no frame to show.", "movie": None}
    play = Play.of(facts.sky, styles)
    coming = [name for name, maps in play.future.items() if maps]
    play = Play(play.past, {name: play.future[name] for name in coming}, styles)
    chosen = choose(coming, facts.network.name if facts.network else None)
    album = Album()
    stills = play.stills(chosen)
    for still in stills:
        album.show(still.picture)
    told = forecasts[chosen] if chosen else None
    return {
        "headline": headline(facts.sky, told, styles[chosen].title if chosen else ""),
        "frame": map_frame(facts.sky),
        "scale": _scale(facts.sky),
        "forecasts": [(styles[name], forecasts[name], play.future[name]) for name in coming],
        "chosen": chosen,
        "stills": stills,
        "movie": play.movie(album),
        "pictures": album.pictures,
        "area_chart": live_charts.rain_area(play),
    }


def choose(names: list[str], network: str | None) -> str | None:
    """The forecaster that is shown first: the network in service, else extrapolation."""
    wanted = [name for name in (network, REFERENCE) if name in names]
    return next(iter((*wanted, *names)), None)


def _scale(sky: SkyFacts) -> list[tuple[int, str]]:
    """Lower edges of the colours in dBZ with their rain rates."""
    rates = sky.zr.rain_rate(np.array(colours.EDGES_DBZ, np.float64))
    return [
        (edge, wording.rounded(rate)) for edge, rate in zip(colours.EDGES_DBZ, rates, strict=True)
    ]


def moment(time: datetime) -> str:
    """ "16 Jun 2018, 14:00 UTC"."""
    return f"{wording.day(time)}, {wording.clock(time)}"


def iso(time: datetime) -> str:
    """As a browser reads it."""
    return f"{time.isoformat(timespec='seconds')}Z"


def _gap(ends: tuple[datetime, datetime]) -> str:
    return wording.span(*ends)


def _signed(difference: float) -> str:
    if not np.isfinite(difference):
        return wording.UNDEFINED
    text = wording.number(difference, 3)
    return f"+{text}" if difference > 0 else text


def _heaviest(maps: Sequence[Shown]) -> str:
    known = [shown.rain.heaviest for shown in maps if shown.rain.known_share]
    return wording.rounded(max(known)) if known else wording.UNDEFINED


def _gigabytes(size: float) -> str:
    return (
        f"{size / 1000:.1f} TB"
        if size >= 1000
        else f"{size:.0f} GB"
        if size >= 10
        else f"{size:.1f} GB"
    )


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


FILTERS = {
    "key_mark": _key_mark,
    "moment": moment,
    "iso": iso,
    "gap": _gap,
    "signed": _signed,
    "heaviest": _heaviest,
    "gigabytes": _gigabytes,
}

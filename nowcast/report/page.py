"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from nowcast.report import colours, panel, wording
from nowcast.report.charts import make_charts
from nowcast.report.facts import ForecasterFacts, ReportFacts
from nowcast.report.figures import key_mark
from nowcast.report.maps import MapFrame
from nowcast.report.styles import Style, make_styles
from nowcast.report.tables import all_numbers, csv_uri, make_table
from nowcast.report.template import render_page, write_whole
from nowcast.report.verdict import verdict
from pipeline.batch import ZR

PROTOCOL = {
    "mask": "Compared",
    "thresholds": "Events",
    "windows": "Windows of FSS",
    "pooling": "Pooling",
}


def write_report(path: Path, scores: xr.Dataset, case: xr.Dataset, facts: ReportFacts) -> Path:
    """Write the report; it appears whole or not at all.

    Args:
        path: Of the page to write.
        scores: A scores file.
        case: One issue time: observed (lead_time, y, x), past (time, y, x) and forecast
            (forecaster, lead_time, y, x) in dBZ, NaN where missing; attribute issue_time.
        facts: Where the data and the forecasts come from.
    """
    return write_whole(path, render(scores, case, facts))


def render(scores: xr.Dataset, case: xr.Dataset, facts: ReportFacts) -> str:
    """The page's text; arguments as for `write_report`."""
    scored, shown = ([str(name) for name in held["forecaster"].values] for held in (scores, case))
    titles = {known.name: known.title for known in facts.forecasters if known.title}
    every = make_styles(list(dict.fromkeys((*scored, *shown))), titles)
    styles = {name: style for name, style in every.items() if name in scored}
    mapped = {name: style for name, style in every.items() if name in shown}
    return render_page(
        "page.html",
        filters={"key_mark": _key_mark},
        facts=facts,
        styles=list(styles.values()),
        verdict=verdict(scores, styles),
        table=make_table(scores, styles),
        numbers=csv_uri(all_numbers(scores)),
        charts=make_charts(scores, styles),
        **_times(scores, case, facts),
        **_maps(scores, case, mapped),
        **_provenance(scores, facts, every),
    )


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


def _times(scores: xr.Dataset, case: xr.Dataset, facts: ReportFacts) -> dict[str, Any]:
    issued = [wording.as_datetime(time) for time in scores["issue_time"].to_numpy()]
    shown = wording.as_datetime(case.attrs["issue_time"])
    start, end = (wording.as_datetime(time) for time in facts.period)
    return {
        "period": wording.span(start, end),
        "issue_times": wording.span(issued[0], issued[-1]) if issued else "none",
        "issue_count": len(issued),
        "case_time": f"{wording.day(shown)}, {wording.clock(shown)}",
    }


def _maps(scores: xr.Dataset, case: xr.Dataset, styles: Mapping[str, Style]) -> dict[str, Any]:
    zr = ZR(float(scores.attrs["zr_a"]), float(scores.attrs["zr_b"]))
    rates = zr.rain_rate(np.array(colours.EDGES_DBZ, np.float64))
    return {
        "zr": zr,
        "frame": MapFrame.of(case),
        "columns": min(len(styles) + 1, 6),
        "rows": panel.make_rows(case, styles, zr),
        "player": panel.make_player(case, styles),
        "scale": [
            (edge, wording.rounded(rate))
            for edge, rate in zip(colours.EDGES_DBZ, rates, strict=True)
        ],
        "palettes": colours.PALETTES,
        "missing_colour": colours.MISSING_COLOUR,
        "map_colour": colours.MAP_COLOUR,
    }


def _provenance(
    scores: xr.Dataset, facts: ReportFacts, styles: Mapping[str, Style]
) -> dict[str, Any]:
    known = {forecaster.name: forecaster for forecaster in facts.forecasters}
    stated = {label: scores.attrs.get(name) for name, label in PROTOCOL.items()}
    protocol = {label: str(text) for label, text in stated.items() if text}
    if facts.protocol:
        protocol["Besides"] = facts.protocol
    return {
        "forecasters": [
            (style, known.get(name, ForecasterFacts(name))) for name, style in styles.items()
        ],
        "protocol": protocol,
    }

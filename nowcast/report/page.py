"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from nowcast.report import colours, panel, wording
from nowcast.report.facts import ForecasterFacts, ReportFacts
from nowcast.report.figures import Line, key_mark, line_chart
from nowcast.report.maps import MapFrame
from nowcast.report.styles import Style, make_styles
from nowcast.report.tables import SCALES_KM, all_numbers, csv_uri, make_table
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

    Raises:
        ValueError: If scores and case do not hold the same forecasters.
    """
    page = render(scores, case, facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(path)


def render(scores: xr.Dataset, case: xr.Dataset, facts: ReportFacts) -> str:
    """The page's text; arguments as for `write_report`."""
    scored, shown = (sorted(map(str, held["forecaster"].to_numpy())) for held in (scores, case))
    if scored != shown:
        raise ValueError(f"report: expected a case of the forecasters {scored}, found {shown}")
    titles = {known.name: known.title for known in facts.forecasters if known.title}
    styles = make_styles([str(name) for name in scores["forecaster"].to_numpy()], titles)
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": wording.duration,
        "percent": wording.percent,
        "key_mark": lambda style: Markup(key_mark(style)),  # noqa: S704
    }
    template = environment.get_template("page.html")
    return template.render(
        facts=facts,
        styles=list(styles.values()),
        verdict=verdict(scores, styles),
        table=make_table(scores, styles),
        numbers=csv_uri(all_numbers(scores)),
        charts=make_charts(scores, styles),
        **_times(scores, case, facts),
        **_maps(scores, case, styles),
        **_provenance(scores, facts, styles),
    )


def _resource(name: str) -> str:
    return files("nowcast.report").joinpath(name).read_text(encoding="utf-8")


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
        "rows": panel.make_rows(case, styles, zr),
        "player": panel.make_player(case, styles),
        "scale": [
            (edge, f"{rate:.2g}" if rate < 100 else f"{rate:.0f}")
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


def make_charts(scores: xr.Dataset, styles: Mapping[str, Style]) -> list[dict[str, Any]]:
    """Groups of charts, each with a title, what is best, and (heading, svg) pairs."""
    rates, scales = scores["threshold"].to_numpy(), scores["scale"].to_numpy()
    events = [f"≥ {rate:g} mm/h" for rate in rates]

    def chart(title: str, heading: str, values: xr.DataArray, *, ratios: bool = False) -> Any:
        lines = [
            Line(style, values.sel(forecaster=name).to_numpy().astype(np.float64))
            for name, style in styles.items()
        ]
        leads = [int(lead) for lead in scores["lead_time"]]
        svg = line_chart(f"{title}, {heading}", leads, lines, ratios=ratios)
        return heading, Markup(svg)  # noqa: S704

    csi, bias, fss = scores["csi"], scores["frequency_bias"], scores["fss"]
    several = [
        (n, scale)
        for n in wording.nearest(rates, (1.0, 5.0))
        for scale in wording.nearest(scales, SCALES_KM)
    ]
    return [
        {
            "title": "Critical success index",
            "note": "Share of rain, observed or forecast, that was both. 1 is best; mind each scale.",
            "charts": [chart("CSI", event, csi.isel(threshold=n)) for n, event in enumerate(events)],
        },
        {
            "title": "Frequency bias",
            "note": "Forecast rain area over observed rain area, by doublings. 1 is best; "
            "below it the forecast loses rain.",
            "charts": [
                chart("Bias", event, bias.isel(threshold=n), ratios=True)
                for n, event in enumerate(events)
            ],
        },
        {
            "title": "Fractions skill score",
            "note": "Rain of the right extent within so many kilometres. 1 is best.",
            "charts": [
                chart(
                    "FSS",
                    f"{events[n]}, {scales[scale]:g} km",
                    fss.isel(threshold=n, scale=scale),
                )
                for n, scale in several
            ],
        },
        {
            "title": "Error and coverage",
            "note": "0 is best. Blurred forecasts have small errors: read these beside the bias.",
            "charts": [
                chart("MAE", "mean absolute error, mm/h", scores["mae"]),
                chart("Missing", "share of observed pixels missing", scores["missing_share"]),
            ],
        },
    ]

"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from nowcast.report import colours, wording
from nowcast.report.cases import make_cases
from nowcast.report.charts import make_charts
from nowcast.report.facts import ForecasterFacts, ReportFacts
from nowcast.report.figures import key_mark
from nowcast.report.intervals import Sample, make_intervals
from nowcast.report.lines import Source
from nowcast.report.maps import MapFrame
from nowcast.report.numbers import make_downloads
from nowcast.report.places import make_places
from nowcast.report.styles import Style, make_styles
from nowcast.report.tables import make_table
from nowcast.report.template import render_page, write_whole
from nowcast.report.verdict import verdict
from nowcast.verification.pooling import pooled
from pipeline.batch import ZR

PROTOCOL = {
    "mask": "Compared",
    "thresholds": "Events",
    "windows": "Windows of FSS",
    "reflectivity": "Reflectivity",
    "pooling": "Pooling",
    "protocol_id": "Protocol",
}
RELATION = "Z = zr_a R^zr_b"


def write_report(
    path: Path, scores: xr.Dataset, cases: Sequence[xr.Dataset], facts: ReportFacts
) -> Path:
    """Write the report; it appears whole or not at all.

    Args:
        path: Of the page to write.
        scores: A scores file; one named scores.nc is expected beside a page that cannot hold it.
        cases: Issue times to look at, one at least, of one grid: observed (lead_time, y, x), past
            (time, y, x) and forecast (forecaster, lead_time, y, x) in dBZ, NaN where missing;
            attributes issue_time and `why`, a short sentence.
        facts: Where the data and the forecasts come from.

    Raises:
        ValueError: If there is no case.
    """
    return write_whole(path, render(scores, cases, facts))


def render(scores: xr.Dataset, cases: Sequence[xr.Dataset], facts: ReportFacts) -> str:
    """The page's text; arguments as for `write_report`."""
    if not cases:
        raise ValueError("report: expected one case or more to look at, found none")
    scored, shown = (
        [str(name) for name in held["forecaster"].values] for held in (scores, cases[0])
    )
    titles = {known.name: known.title for known in facts.forecasters if known.title}
    every = make_styles(list(dict.fromkeys((*scored, *shown))), titles)
    styles = {name: style for name, style in every.items() if name in scored}
    mapped = {name: style for name, style in every.items() if name in shown}
    source = Source(scores, make_intervals(scores), styles)
    return render_page(
        "page.html",
        filters={"key_mark": _key_mark},
        facts=facts,
        styles=list(styles.values()),
        verdict=verdict(scores, styles),
        table=make_table(scores, styles),
        downloads=make_downloads(scores, source.intervals),
        charts=make_charts(source),
        places=make_places(source, (cases[0].sizes["y"], cases[0].sizes["x"])),
        missing_by=_missing(scores, styles),
        bands=_bands(scores),
        **_times(scores, facts),
        **_maps(scores, cases, mapped),
        **_provenance(scores, facts, every),
    )


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


def _bands(scores: xr.Dataset) -> str:
    sample = Sample.of(scores)
    if sample.resampling is None:
        return "No intervals are shaded: the issue times are too few."
    return (
        f"Shades are {100 * sample.resampling.level:g} % intervals of a bootstrap over issue times "
        f"in blocks of {sample.block}, each lead time by itself. Forecasters meet the same "
        "weather, so shades may overlap where a difference is sure: the verdict tests "
        "differences."
    )


def _missing(scores: xr.Dataset, styles: Mapping[str, Style]) -> list[tuple[str, str]]:
    """Share of the observed pixels that each forecaster left missing, over all lead times."""
    sums = [pooled(scores[name]) for name in ("missing_pixels", "observed_pixels")]
    missing, observed = (
        held.sum([dim for dim in held.dims if dim != "forecaster"]) for held in sums
    )
    shares = (missing / observed).broadcast_like(scores["forecaster"])
    return [
        (style.title, wording.percent(float(shares.sel(forecaster=name))))
        for name, style in styles.items()
    ]


def _times(scores: xr.Dataset, facts: ReportFacts) -> dict[str, Any]:
    times = scores["issue_time"].to_numpy()
    issued = [wording.as_datetime(time) for time in times[[0, -1] if times.size else []]]
    start, end = (wording.as_datetime(time) for time in facts.period)
    return {
        "period": wording.span(start, end),
        "issue_times": wording.span(issued[0], issued[-1]) if issued else "none",
        "issue_count": times.size,
    }


def _maps(
    scores: xr.Dataset, held: Sequence[xr.Dataset], styles: Mapping[str, Style]
) -> dict[str, Any]:
    zr = ZR(float(scores.attrs["zr_a"]), float(scores.attrs["zr_b"]))
    rates = zr.rain_rate(np.array(colours.EDGES_DBZ, np.float64))
    cases, pictures = make_cases(held, styles, zr)
    return {
        "zr": zr,
        "frame": MapFrame.of(held[0]),
        "columns": min(len(styles) + 1, 6),
        "cases": cases,
        "movies": [case.movie for case in cases],
        "pictures": pictures,
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
    protocol = {
        label: str(text).replace(RELATION, "the Z–R relation below")
        for label, text in stated.items()
        if text
    }
    if facts.protocol:
        protocol["Besides"] = facts.protocol
    return {
        "forecasters": [
            (style, known.get(name, ForecasterFacts(name))) for name, style in styles.items()
        ],
        "protocol": protocol,
    }

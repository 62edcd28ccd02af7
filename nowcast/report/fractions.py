"""The fractions skill score by window and lead time, as small maps of colour."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from nowcast.report.colours import SEQUENTIAL, ink_on
from nowcast.report.figures import LEFT, RIGHT, WIDTH, lead_axis
from nowcast.report.lines import Chart, Source, drawn
from nowcast.report.wording import number

ROW = 18
TOP = 4
WIDEST_TOLD = 14


def make_heat_maps(source: Source) -> tuple[Chart, ...]:
    """A map for each threshold and forecaster, the scales of use marked where they are known."""
    if not source.has("fss"):
        return ()
    rates, scales = (source.scores[name].to_numpy() for name in ("threshold", "scale"))
    charts = []
    for n, rate in enumerate(rates):
        for name, style in source.styles.items():
            fss = source.scores["fss"].isel(threshold=n).sel(forecaster=name)
            useful = np.full(len(source.leads), np.nan)
            if source.has("useful_scale"):
                held = source.scores["useful_scale"].isel(threshold=n).sel(forecaster=name)
                useful = held.to_numpy().astype(np.float64)
            heading = f"{style.title}, ≥ {rate:g} mm/h"
            values = fss.transpose("scale", "lead_time").to_numpy().astype(np.float64)
            charts.append(
                Chart(heading, drawn(_heat_map(heading, source.leads, scales, values, useful)))
            )
    return tuple(charts)


def _heat_map(
    heading: str,
    leads: list[int],
    scales: NDArray[np.float64],
    values: NDArray[np.float64],
    useful: NDArray[np.float64],
) -> str:
    edges = np.linspace(LEFT, RIGHT, len(leads) + 1)
    bottom = TOP + ROW * len(scales)
    cells = "".join(
        _cell(edges[n], edges[n + 1], bottom - ROW * (k + 1), values[k, n], len(leads))
        + f"<title>{leads[n]} min, {scales[k]:g} km: {number(float(values[k, n]), 3)}</title></g>"
        for k in range(len(scales))
        for n in range(len(leads))
    )
    names = "".join(
        f'<text class="y" x="{LEFT - 4}" y="{bottom - ROW * k - 5}">{scale:g} km</text>'
        for k, scale in enumerate(scales)
    )
    label = escape(f"FSS by window and lead time, {heading}. {_told(leads, useful)}")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {bottom + 30}" role="img" aria-label="{label}">'
        f"{cells}{names}{_lead_labels(edges, leads, bottom)}"
        f"{_useful_line(edges, scales, useful, bottom)}</svg>"
    )


def _cell(left: float, right: float, top: float, value: float, count: int) -> str:
    size = f'x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{ROW}"'
    if not np.isfinite(value):
        return f'<g><rect class="blank" {size}/>'
    place = min(int(value * len(SEQUENTIAL)), len(SEQUENTIAL) - 1)
    colour = SEQUENTIAL[max(place, 0)]
    text = ""
    if count <= WIDEST_TOLD:
        middle = f'x="{(left + right) / 2:.1f}" y="{top + 12.5}"'
        text = (
            f'<text class="in" {middle} style="fill:{ink_on(colour)}">{round(100 * value)}</text>'
        )
    return f'<g><rect {size} fill="{colour}"/>{text}'


def _lead_labels(edges: NDArray[np.float64], leads: list[int], bottom: int) -> str:
    shown = {value for value, _ in lead_axis(leads).ticks}
    labels = [
        f'<text class="x" x="{(edges[n] + edges[n + 1]) / 2:.1f}" y="{bottom + 13}">{lead}</text>'
        for n, lead in enumerate(leads)
        if lead in shown or len(leads) == 1
    ]
    middle = (LEFT + RIGHT) / 2
    return f'{"".join(labels)}<text class="x" x="{middle}" y="{bottom + 26}">lead time, min</text>'


def _useful_line(
    edges: NDArray[np.float64],
    scales: NDArray[np.float64],
    useful: NDArray[np.float64],
    bottom: int,
) -> str:
    path, pen = [], "M"
    for n, scale in enumerate(useful):
        if not np.isfinite(scale):
            pen = "M"
            continue
        y = bottom - ROW * int(np.abs(scales - scale).argmin())
        path.append(f"{pen}{edges[n]:.1f},{y}H{edges[n + 1]:.1f}")
        pen = "L"
    line = "".join(path)
    return f'<path class="under" d="{line}"/><path class="useful" d="{line}"/>' if path else ""


def _told(leads: list[int], useful: NDArray[np.float64]) -> str:
    told = [
        f"{leads[n]} min from {useful[n]:g} km"
        if np.isfinite(useful[n])
        else f"{leads[n]} min at none"
        for n in sorted({0, len(leads) - 1})
    ]
    return f"Of use at {', at '.join(told)}"

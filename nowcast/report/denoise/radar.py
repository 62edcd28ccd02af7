"""Cleaners of radar: clutter left against rain lost, and CSI by threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.cleaning import CleaningTally
from nowcast.report.axes import Axis
from nowcast.report.classes.runs import RunCell
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, RadarFacts
from nowcast.report.denoise.methods import Column, MethodRow, in_order, method_styles
from nowcast.report.figures import MARKS, SQUARE, Canvas, Line, chart_of
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.styles import Style
from nowcast.report.tables import nearest_to
from nowcast.report.wording import number

Numbers = NDArray[np.float64]
Points = tuple[Numbers, Numbers]
MOST_LOST = 0.3


def cleaners(facts: DenoiseFacts) -> list[MethodFacts]:
    """The methods that were judged on radar, in reading order."""
    return [held for held in in_order(facts.methods) if held.cleaning]


def exchange(method: MethodFacts, threshold: float) -> Points:
    """Rain lost and clutter left of a cleaner's settings at a threshold, by rising loss.

    It begins at (0, 1), which is not to clean at all. A setting that leaves as much clutter as one
    of less loss is not there.
    """
    places = (place_of(tally, threshold) for tally in method.cleaning.values())
    kept = [(0.0, 1.0)]
    for lost, left in sorted(held for held in places if np.isfinite(held).all()):
        if left < kept[-1][1]:
            kept = [*(point for point in kept if point[0] < lost), (lost, left)]
    lost_by, left_by = np.array(kept, np.float64).T
    return lost_by, left_by


def place_of(tally: CleaningTally, threshold: float) -> tuple[float, float]:
    """Rain lost and clutter left at a threshold."""
    n = tally.thresholds.index(threshold)
    return float(tally.rain_lost()[n]), float(tally.clutter_left()[n])


def left_at(method: MethodFacts, threshold: float, lost: float) -> float:
    """Clutter left where a cleaner loses so much rain, between its settings in proportion.

    Beyond its strictest setting it leaves what that leaves.
    """
    lost_by, left_by = exchange(method, threshold)
    return float(np.interp(lost, lost_by, left_by))


def radar_charts(facts: DenoiseFacts) -> list[ChartGroup]:
    """Clutter left against rain lost, and CSI by threshold."""
    radar, held = facts.radar, cleaners(facts)
    if radar is None or not held:
        return []
    styles = method_styles(facts.methods)
    key = tuple(styles[method.name] for method in held)
    groups = [
        ChartGroup(
            "Clutter left against rain lost",
            f"Shares of pixels of {radar.threshold:g} mm/h or more; down and left is best. The "
            "points of a line are settings of one cleaner, the large one the setting chosen on "
            "validation frames. All begin where nothing is cleaned.",
            (Chart(f"≥ {radar.threshold:g} mm/h", drawn(_exchange(held, styles, radar))),),
            key,
            "squares",
        )
    ]
    scored = [method for method in held if method.cleaned is not None]
    if scored:
        groups.append(
            ChartGroup(
                "CSI of cleaned rain",
                "Against the clean fields, each cleaner at its chosen setting; 1 is best.",
                (Chart("CSI by threshold", drawn(_csi(scored, styles))),),
                tuple(styles[method.name] for method in scored),
                "squares",
            )
        )
    return groups


def _exchange(methods: Sequence[MethodFacts], styles: dict[str, Style], radar: RadarFacts) -> str:
    curves = {method.name: exchange(method, radar.threshold) for method in methods}
    most = min(max(float(lost.max()) for lost, _ in curves.values()), MOST_LOST)
    canvas = Canvas(
        Axis.from_zero(np.array([100 * most])),
        Axis.between(0, 100),
        "rain lost, %",
        "clutter left, %",
        SQUARE,
    )
    layers, told = [], []
    for method in reversed(methods):
        lost, left = curves[method.name]
        layers.append(_front(canvas, styles[method.name], 100 * lost, 100 * left))
        layers.append(_settings(canvas, method, styles[method.name], radar.threshold))
        told.append(f"{method.shown} leaves {100 * float(left[-1]):.0f} % at the strictest")
    return canvas.picture(f"Clutter left against rain lost. {'; '.join(told)}", *layers)


def _front(canvas: Canvas, style: Style, lost: Numbers, left: Numbers) -> str:
    """The line, ended at the side of the chart."""
    end = canvas.x.high
    inside = lost <= end
    points = list(zip(lost[inside], left[inside], strict=True))
    if not inside.all():
        points.append((end, float(np.interp(end, lost, left))))
    path = "L".join(canvas.at(*point) for point in points)
    return (
        f'<path class="line" d="M{path}" stroke="{style.colour}" stroke-dasharray="{style.dash}"/>'
    )


def _settings(canvas: Canvas, method: MethodFacts, style: Style, threshold: float) -> str:
    marks = []
    for setting, tally in method.cleaning.items():
        lost, left = (100 * share for share in place_of(tally, threshold))
        if not (math.isfinite(lost) and math.isfinite(left)) or lost > canvas.x.high:
            continue
        scale = " scale(1.8)" if tally is method.cleaned else ""
        tip = escape(
            f"{method.shown}, {setting}\n{number(left, 1)} % of clutter left\n"
            f"{number(lost, 2)} % of rain lost"
        )
        spot = f"{canvas.across(lost):.1f} {canvas.down(left):.1f}"
        marks.append(
            f'<path d="{MARKS[style.marker]}" transform="translate({spot}){scale}">'
            f"<title>{tip}</title></path>"
        )
    return f'<g fill="{style.colour}">{"".join(marks)}</g>'


def _csi(methods: Sequence[MethodFacts], styles: dict[str, Style]) -> str:
    tallies = [held.cleaned for held in methods if held.cleaned is not None]
    names = [f"{rate:g}" for rate in tallies[0].thresholds]
    x = np.arange(len(names), dtype=np.float64)
    lines = [
        Line(styles[method.name], x, tally.csi())
        for method, tally in zip(methods, tallies, strict=True)
    ]
    canvas = Canvas(
        Axis.of_names(names), Axis.from_zero(reach(lines)), "threshold, mm/h", "CSI", SQUARE
    )
    return chart_of("CSI by threshold", canvas, lines, [f"≥ {name} mm/h" for name in names])


def radar_table(facts: DenoiseFacts) -> tuple[list[Column], list[MethodRow]]:
    """Columns and a row for each cleaner at its chosen setting."""
    radar, styles = facts.radar, method_styles(facts.methods)
    known = [(held, tally) for held in cleaners(facts) if (tally := held.cleaned) is not None]
    if radar is None or not known:
        return [], []
    tallies = [tally for _, tally in known]
    csi = np.array([tally.csi() for tally in tallies])
    places = np.array([place_of(tally, radar.threshold) for tally in tallies])
    at = f"≥ {radar.threshold:g} mm/h"
    columns = [
        *(
            Column("CSI", f"≥ {rate:g} mm/h", _scores(csi[:, n], 3, 1.0))
            for n, rate in enumerate(tallies[0].thresholds)
        ),
        Column("Clutter left", f"%, {at}", _plain(100 * places[:, 1], 1)),
        Column("Rain lost", f"%, {at}", _plain(100 * places[:, 0], 2)),
    ]
    own = place_of(facts.method.cleaned, radar.threshold)[0] if facts.method.cleaned else math.nan
    if math.isfinite(own):
        equal = np.array([100 * left_at(held, radar.threshold, own) for held, _ in known])
        columns.append(Column("Clutter left", "%, at equal rain lost", _scores(equal, 1, 0.0)))
    rows = [
        MethodRow(
            styles[held.name], held.chosen, held.note, tuple(column.cells[n] for column in columns)
        )
        for n, (held, _) in enumerate(known)
    ]
    return columns, rows


def _plain(values: Numbers, decimals: int) -> tuple[RunCell, ...]:
    return tuple(RunCell(number(float(value), decimals)) for value in values)


def _scores(values: Numbers, decimals: int, aim: float) -> tuple[RunCell, ...]:
    best = nearest_to(aim, values.round(decimals))
    marked = best & (not best.all())
    return tuple(
        RunCell(number(float(value), decimals), best=bool(mark))
        for value, mark in zip(values, marked, strict=True)
    )

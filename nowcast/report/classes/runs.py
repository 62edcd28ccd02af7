"""Several networks on the same images: a table and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from nowcast.report.axes import Axis
from nowcast.report.classes.curves import epoch_chart, line_of, percent_axis
from nowcast.report.classes.facts import Curve, RunFacts
from nowcast.report.classes.verdict import paired
from nowcast.report.classes.words import grouped, multiply_adds, per_cent, signed
from nowcast.report.figures import MARKS, Canvas
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.styles import MARKERS, SPARE_COLOURS, Style
from nowcast.report.tables import nearest_to
from nowcast.report.wording import UNDEFINED, duration, number

COLOURS = tuple(SPARE_COLOURS[n] for n in (3, 5, 4, 1, 2, 0))


@dataclass(frozen=True)
class RunCell:
    """What stands in one place of the table."""

    text: str
    small: str = ""
    best: bool = False


@dataclass(frozen=True)
class RunRow:
    """One run."""

    style: Style
    network: str
    cells: tuple[RunCell, ...]


def run_styles(runs: Sequence[RunFacts]) -> list[Style]:
    """A colour and a marker for each."""
    return [
        Style(
            run.name,
            run.shown,
            COLOURS[n % len(COLOURS)],
            MARKERS[n % len(MARKERS)],
            "" if n < len(COLOURS) else "2 3",
        )
        for n, run in enumerate(runs)
    ]


HEADINGS = (
    ("Accuracy", "95 % interval"),
    ("Difference", "points, p"),
    ("F1", "mean of classes"),
    ("Log loss", ""),
    ("Calibration", "error, points"),
    ("Parameters", ""),
    ("Multiply-adds", "an image"),
    ("Epochs", ""),
    ("Training", ""),
    ("Images/s", "in training"),
)


def run_rows(runs: Sequence[RunFacts]) -> list[RunRow]:
    """The table of runs; differences are the others' accuracy less the first's."""
    columns = [
        _accuracies(runs),
        _differences(runs),
        _column([run.tally.averaged(run.tally.f1()) for run in runs], 3, 1.0),
        _column([run.tally.log_loss() for run in runs], 3, 0.0),
        _column([100 * run.tally.calibration_error() for run in runs], 1, 0.0),
        [_plain(run.parameters) for run in runs],
        [RunCell(multiply_adds(run.multiply_adds)) for run in runs],
        [RunCell(UNDEFINED if run.epochs is None else f"{run.epochs:.3g}") for run in runs],
        [RunCell(duration(run.seconds_training)) for run in runs],
        [_plain(run.images_per_second) for run in runs],
    ]
    return [
        RunRow(style, run.network, tuple(column[n] for column in columns))
        for n, (style, run) in enumerate(zip(run_styles(runs), runs, strict=True))
    ]


def _accuracies(runs: Sequence[RunFacts]) -> list[RunCell]:
    values = np.array([run.tally.accuracy() for run in runs]).round(4)
    best = nearest_to(1.0, values) if len(runs) > 1 else np.zeros(len(runs), bool)
    cells = []
    for run, marked in zip(runs, best, strict=True):
        low, high = (number(100 * end, 2) for end in run.tally.interval())
        small = f"{low} to {high}" if run.tally.images else ""
        cells.append(RunCell(per_cent(run.tally.accuracy(), 2), small, bool(marked)))
    return cells


def _differences(runs: Sequence[RunFacts]) -> list[RunCell]:
    cells = [RunCell(UNDEFINED)]
    for other in runs[1:]:
        test = paired(other, runs[0])
        if test is None:
            gap = other.tally.accuracy() - runs[0].tally.accuracy()
            cells.append(RunCell(signed(100 * gap, 2)))
        else:
            chance = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.2g}"
            cells.append(RunCell(signed(100 * test.difference, 2), chance))
    return cells


def _column(values: Sequence[float], decimals: int, aim: float) -> list[RunCell]:
    rounded = np.array(values).round(decimals)
    best = nearest_to(aim, rounded)
    marked = best & (not best.all())
    return [
        RunCell(number(float(value), decimals), best=bool(mark))
        for value, mark in zip(values, marked, strict=True)
    ]


def _plain(count: float | None) -> RunCell:
    return RunCell(UNDEFINED if count is None else grouped(count))


def run_charts(runs: Sequence[RunFacts]) -> list[ChartGroup]:
    """Courses beside each other, and accuracy against what it costs."""
    styles = run_styles(runs)
    groups = [
        ChartGroup(
            "Course of the training",
            "",
            _courses(runs, styles),
            tuple(styles),
        ),
        ChartGroup(
            "What accuracy costs",
            "Test accuracy with its 95 % interval against the time of training, the number of "
            "parameters and the multiply-adds of one image; up and left is best.",
            _costs(runs, styles),
            tuple(styles),
        ),
    ]
    return [group for group in groups if group.charts]


def _courses(runs: Sequence[RunFacts], styles: Sequence[Style]) -> tuple[Chart, ...]:
    charts = []
    for heading, name, factor in (
        ("Validation accuracy, %", "validation_accuracy", 100.0),
        ("Validation loss", "validation_loss", 1.0),
        ("Training loss", "loss", 1.0),
    ):
        curves = [getattr(run.curves, name) for run in runs]
        lines = [
            line_of(style, Curve(curve.epochs, tuple(factor * value for value in curve.values)))
            for style, curve in zip(styles, curves, strict=True)
            if curve is not None
        ]
        if lines:
            values = reach(lines)
            axis = percent_axis(values) if factor > 1 else Axis.from_zero(values)
            charts.append(Chart(heading, drawn(epoch_chart(heading, lines, axis))))
    return tuple(charts)


def _costs(runs: Sequence[RunFacts], styles: Sequence[Style]) -> tuple[Chart, ...]:
    charts = []
    for heading, name, unit in (
        ("Time of training", "seconds_training", "seconds"),
        ("Parameters", "parameters", "parameters"),
        ("Multiply-adds", "multiply_adds", "multiply-adds of an image"),
    ):
        known = [
            (style, float(cost), run)
            for style, run in zip(styles, runs, strict=True)
            if (cost := getattr(run, name)) and run.tally.images
        ]
        if len(known) > 1:
            charts.append(Chart(heading, drawn(_cost(heading, unit, known))))
    return tuple(charts)


def _cost(heading: str, unit: str, known: Sequence[tuple[Style, float, RunFacts]]) -> str:
    ends = np.array([run.tally.interval() for _, _, run in known]) * 100
    canvas = Canvas(
        Axis.of_powers(np.array([cost for _, cost, _ in known])),
        Axis.between(float(ends.min()), float(ends.max())),
        unit,
    )
    told = "; ".join(
        f"{style.title} {per_cent(run.tally.accuracy(), 2)} at {grouped(cost)}"
        for style, cost, run in known
    )
    points = []
    for (style, cost, run), (low, high) in zip(known, ends, strict=True):
        x, y = canvas.across(cost), canvas.down(100 * run.tally.accuracy())
        tip = escape(f"{style.title}\n{per_cent(run.tally.accuracy(), 2)}\n{grouped(cost)} {unit}")
        points.append(
            f'<g fill="{style.colour}"><title>{tip}</title><path class="reach" '
            f'stroke="{style.colour}" d="M{x:.1f},{canvas.down(low):.1f}V{canvas.down(high):.1f}"/>'
            f'<path d="{MARKS[style.marker]}" '
            f'transform="translate({x:.1f} {y:.1f}) scale(1.3)"/></g>'
        )
    return canvas.picture(f"Accuracy against {heading.lower()}. {told}", *points)

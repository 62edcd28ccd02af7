"""What networks learned: error by width of the code, losses by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.classes.curves import epoch_chart, line_of
from nowcast.report.classes.runs import COLOURS
from nowcast.report.denoise.charts import values_at
from nowcast.report.denoise.facts import DenoiseFacts
from nowcast.report.denoise.methods import method_styles
from nowcast.report.figures import Canvas, Line, curve, readings
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.styles import GREY, MARKERS, Style

WIDE = 10  # times the least error from which the axis is one of powers


def width_chart(facts: DenoiseFacts) -> ChartGroup | None:
    """Error of reconstruction by width of the code."""
    if not facts.widths:
        return None
    styles = _width_styles(facts)
    lines = [
        Line(style, np.array(held.widths, np.float64), np.array(held.mse, np.float64))
        for style, held in zip(styles, facts.widths, strict=True)
    ]
    return ChartGroup(
        "Error by width of the code",
        "Mean squared error of clean test images, pixels clipped to 0 to 255 for networks and "
        "principal components alike. No linear code of as many values, unclipped, errs less on "
        "the images it was fitted to than principal components do; what lies below their curve, "
        "curvature has won.",
        (Chart("Mean squared error", drawn(_by_width(lines))),),
        tuple(styles),
    )


def _by_width(lines: Sequence[Line]) -> str:
    widths = np.unique(np.concatenate([line.x for line in lines]))
    octaves = np.log2(widths)
    ticks = tuple((float(at), f"{at:g}") for at in _apart(widths))
    x = Axis(float(octaves[0]), max(float(octaves[-1]), float(octaves[0]) + 1), ticks, True)
    values = reach(list(lines))
    known = values[np.isfinite(values) & (values > 0)]
    wide = known.size and known.max() > WIDE * known.min()
    y = Axis.of_powers(values) if wide else Axis.from_zero(values)
    canvas = Canvas(x, y, "values in the code")
    every = [Line(line.style, widths, values_at(line, widths)) for line in lines]
    told = "; ".join(
        f"{line.style.title} {line.y[-1]:.4g} at {line.x[-1]:g}" for line in lines if line.x.size
    )
    return canvas.picture(
        f"Mean squared error by width of the code. {told}",
        *(curve(canvas, line) for line in reversed(lines)),
        readings(canvas, every, [f"{width:g} values" for width in widths]),
    )


def _apart(widths: NDArray[np.float64]) -> list[float]:
    """Widths to be named, the first of those that stand too close."""
    named: list[float] = []
    for width in widths.tolist():
        if not named or width >= 1.6 * named[-1]:
            named.append(width)
    return named


def _width_styles(facts: DenoiseFacts) -> list[Style]:
    """Those of the methods where they are ones; of what is exact that of a bound."""
    every = method_styles(facts.methods)
    known = {style.title: style for style in every.values()}
    taken = {every[held.name].colour for held in facts.methods if held.kind == "network"}
    free = [colour for colour in COLOURS if colour not in taken]
    styles = []
    for n, held in enumerate(facts.widths):
        if held.exact:
            styles.append(Style(held.name, held.name, GREY, "down", "5 4"))
        elif held.name in known:
            styles.append(known[held.name])
        else:
            colour = free.pop(0) if free else COLOURS[n % len(COLOURS)]
            styles.append(Style(held.name, held.name, colour, MARKERS[n % len(MARKERS)]))
    return styles


def courses(facts: DenoiseFacts) -> ChartGroup | None:
    """The losses of several networks by epoch; None of fewer than two."""
    styles = method_styles(facts.methods)
    known = [held for held in facts.methods if held.training is not None]
    charts = []
    for heading, name in (("Validation loss", "validation_loss"), ("Training loss", "loss")):
        lines = [
            line_of(styles[held.name], found)
            for held in known
            if held.training and (found := getattr(held.training.curves, name)) is not None
        ]
        if len(lines) > 1:
            y = Axis.from_zero(reach(lines))
            charts.append(Chart(heading, drawn(epoch_chart(heading, lines, y))))
    if not charts:
        return None
    key = tuple(styles[held.name] for held in known)
    return ChartGroup("Networks beside each other", "", tuple(charts), key)

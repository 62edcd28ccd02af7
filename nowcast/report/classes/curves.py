"""The course of a classification's training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.figures import MARKS, Canvas, Line, nothing, readings
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.maps import tick_step
from nowcast.report.styles import Style
from nowcast.report.training_facts import Curve, Curves, TrainingFacts

TRAINING = Style("training", "Training", "#0072b2", "circle", "5 3")
VALIDATION = Style("validation", "Validation", "#d55e00", "square")
RATE = Style("rate", "Learning rate", "#009e73", "diamond")
MARKS_DRAWN = 12
READINGS = 60


def read_curves(log: Iterable[Mapping[str, Any]], steps_per_epoch: float) -> Curves:
    """The course told by the lines of a run's log.

    Training is averaged from one validation to the next, or over an epoch where there is none.

    Args:
        log: Lines as `nowcast.training.metrics.read_metrics` gives them. Of the training "loss",
            "learning_rate" and, where it is there, "accuracy" are read; of a validation the sums
            "loss", "correct", "weight" and, where it is there, "labelled".
        steps_per_epoch: How many steps make an epoch.
    """
    lines = list(log)
    steps = [line for line in lines if "loss" in line]
    held = [line for line in lines if "validation" in line]
    ends = _ends(steps, held, steps_per_epoch)
    return Curves(
        _averaged(steps, "loss", ends, steps_per_epoch),
        _validated(held, "loss", "weight", steps_per_epoch),
        _averaged(steps, "accuracy", ends, steps_per_epoch),
        _validated(held, "correct", "labelled", steps_per_epoch),
        _averaged(steps, "learning_rate", ends, steps_per_epoch),
    )


def _ends(
    steps: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]], per_epoch: float
) -> NDArray[np.float64]:
    """The steps at which an average of the training ends."""
    if held:
        return np.unique([float(line["step"]) for line in held])
    last = max((float(line["step"]) for line in steps), default=0.0)
    return np.unique(np.append(np.arange(per_epoch, last, per_epoch), last))


def _averaged(
    steps: Sequence[Mapping[str, Any]], name: str, ends: NDArray[np.float64], per_epoch: float
) -> Curve | None:
    known = [(float(line["step"]), float(line[name])) for line in steps if name in line]
    if not known:
        return None
    at, values = np.array(known).T
    places = np.searchsorted(ends, at)
    means = [
        (float(end) / per_epoch, float(values[places == n].mean()))
        for n, end in enumerate(ends)
        if (places == n).any()
    ]
    return _curve(means)


def _validated(
    held: Sequence[Mapping[str, Any]], name: str, whole: str, per_epoch: float
) -> Curve | None:
    """A sum of each validation over another, or over the weight where that is not kept."""
    points = []
    for line in held:
        sums = line["validation"]
        count = sums.get(whole, sums.get("weight"))
        if name in sums and count:
            points.append((float(line["step"]) / per_epoch, float(sums[name]) / float(count)))
    return _curve(points)


def _curve(points: Sequence[tuple[float, float]]) -> Curve | None:
    if not points:
        return None
    epochs, values = zip(*points, strict=True)
    return Curve(epochs, values)


def course_charts(run: TrainingFacts) -> ChartGroup | None:
    """Loss, accuracy and rate of one run by epoch; None if nothing is known."""
    held = run.curves
    pairs = ((TRAINING, VALIDATION), (TRAINING, VALIDATION), (RATE,))
    series = (
        ("Loss", (held.loss, held.validation_loss)),
        ("Accuracy, %", (_percent(held.accuracy), _percent(held.validation_accuracy))),
        ("Learning rate", (held.learning_rate,)),
    )
    charts = []
    for (heading, curves), styles in zip(series, pairs, strict=True):
        lines = [
            line_of(style, curve)
            for style, curve in zip(styles, curves, strict=True)
            if curve is not None
        ]
        if lines:
            charts.append(Chart(heading, drawn(_course(heading, lines, run.best_epoch))))
    if not charts:
        return None
    return ChartGroup("Course of the training", "", tuple(charts), (TRAINING, VALIDATION))


def line_of(style: Style, curve: Curve) -> Line:
    """A curve as a line."""
    return Line(style, np.array(curve.epochs, float), np.array(curve.values, float))


def epoch_chart(heading: str, lines: Sequence[Line], y: Axis) -> str:
    """Lines by epoch, each with points of its own, on one picture."""
    return _picture(heading, lines, y)


def _course(heading: str, lines: list[Line], best: float | None) -> str:
    values = reach(lines)
    if heading == "Loss" or heading == "Learning rate":
        axis = Axis.from_zero(values)
    else:
        axis = percent_axis(values)
    return _picture(heading, lines, axis, best)


def percent_axis(values: NDArray[np.float64]) -> Axis:
    """Round per cent about all values, never beyond 100; far outliers below are cut off."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Axis.between(0, 100)
    top = min(float(known.max()), 100.0)
    middle = float(np.median(known))
    low = max(float(known.min()), top - max(4 * (top - middle), 2.0), 0.0)
    axis = Axis.between(low, max(top, low + 0.1))
    return replace(axis, ticks=tuple(tick for tick in axis.ticks if tick[0] <= 100 + 1e-9))


def epoch_axis(lines: Sequence[Line]) -> Axis:
    """From 0 to the last epoch."""
    last = max((float(line.x[-1]) for line in lines if line.x.size), default=1.0)
    step = tick_step(last, most=6)
    ticks = [n * step for n in range(int(last / step + 1e-9) + 1)]
    return Axis(0, last, tuple((tick, f"{tick:g}") for tick in ticks))


def _picture(heading: str, lines: Sequence[Line], y: Axis, best: float | None = None) -> str:
    canvas = Canvas(epoch_axis(lines), y, "epoch")
    told = "; ".join(_ends_told(line) for line in lines)
    ring = ""
    if best is not None and best <= canvas.x.high:
        across = canvas.across(best)
        ring = f'<path class="best" d="M{across:.1f},{canvas.top}V{canvas.bottom}"/>'
    return canvas.picture(
        f"{heading} by epoch. {told}",
        nothing(canvas, lines),
        ring,
        *(trace(canvas, line) for line in lines),
        _readings(canvas, lines),
    )


def trace(canvas: Canvas, line: Line) -> str:
    """A line with a few marks; it breaks where undefined, and leaves out what is off the axis."""
    low, high = sorted((canvas.y.low, canvas.y.high))
    shown = np.isfinite(line.y) & (line.y >= low - 1e-9) & (line.y <= high + 1e-9)
    path, pen = [], "M"
    for x, y, seen in zip(line.x, line.y, shown, strict=True):
        path.append(f"{pen}{canvas.at(x, y)}" if seen else "")
        pen = "L" if seen else "M"
    every = max(1, -(-len(line.x) // MARKS_DRAWN))
    marks = "".join(
        f'<path d="{MARKS[line.style.marker]}" '
        f'transform="translate({canvas.across(line.x[n]):.1f} {canvas.down(line.y[n]):.1f})"/>'
        for n in range(len(line.x) - 1, -1, -every)
        if shown[n]
    )
    return (
        f'<path class="line" d="{"".join(path)}" stroke="{line.style.colour}" '
        f'stroke-dasharray="{line.style.dash}"/><g fill="{line.style.colour}">{marks}</g>'
    )


def _readings(canvas: Canvas, lines: Sequence[Line]) -> str:
    """All lines at the places of the one that has most, or at some of them."""
    longest = max(lines, key=lambda line: len(line.x)).x
    if not longest.size:
        return ""
    places = np.linspace(0, len(longest) - 1, min(len(longest), READINGS)).round().astype(int)
    at = longest[np.unique(places)]
    held = [
        Line(line.style, at, np.interp(at, line.x, line.y, left=np.nan, right=np.nan))
        for line in lines
    ]
    return readings(canvas, held, [f"epoch {epoch:.4g}" for epoch in at])


def _ends_told(line: Line) -> str:
    known = np.flatnonzero(np.isfinite(line.y))
    if not known.size:
        return f"{line.style.title}: undefined"
    told = [f"{line.y[n]:.4g} at epoch {line.x[n]:.4g}" for n in sorted({known[0], known[-1]})]
    return f"{line.style.title}: {', '.join(told)}"


def _percent(curve: Curve | None) -> Curve | None:
    if curve is None:
        return None
    return Curve(curve.epochs, tuple(100 * value for value in curve.values))

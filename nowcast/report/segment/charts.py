"""Curves of a segmentation: F1 over IoU, V-Rand over the threshold, ROC."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.object_matching import IOUS
from nowcast.report.axes import Axis
from nowcast.report.classes.curves import epoch_chart, line_of
from nowcast.report.figures import MARKS, SQUARE, Canvas, Line, chart_of, curve, readings
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.segment.facts import SegmentFacts, SegmentRunFacts
from nowcast.report.segment.scores import of_all
from nowcast.report.segment.tables import reference_style, segment_styles
from nowcast.report.styles import Style
from nowcast.report.wording import number

RARE = 1e-3
WRONG, FOUND = "false positive rate", "true positive rate"
Rates = tuple[NDArray[np.float64], NDArray[np.float64]]


def segment_charts(facts: SegmentFacts) -> list[ChartGroup]:
    """The groups of which anything is known."""
    groups = (membrane_charts(facts), object_charts(facts), roc_charts(facts))
    return [group for group in groups if group is not None]


def object_charts(facts: SegmentFacts) -> ChartGroup | None:
    """F1, precision and recall over the IoU that is asked for."""
    known = [
        (style, run.objects)
        for style, run in zip(segment_styles(facts), facts.runs, strict=True)
        if run.objects is not None
    ]
    if not known:
        return None
    axis = Axis(0.5, 0.95, tuple((limit, f"{limit:.2g}") for limit in IOUS[::2]))
    labels = [f"IoU {limit:g}" for limit in IOUS]
    charts = []
    for heading, name in (("F1", "f1"), ("Precision", "precision"), ("Recall", "recall")):
        lines = [Line(style, np.array(IOUS), getattr(tally, name)()) for style, tally in known]
        canvas = Canvas(axis, Axis.of_shares(), "IoU asked for")
        title = f"{heading} over IoU"
        charts.append(Chart(heading, drawn(chart_of(title, canvas, lines, labels))))
    return ChartGroup(
        f"{facts.named[1].capitalize()} found, by how exact they must be",
        "The higher the intersection over union that counts as found, the fewer are.",
        tuple(charts),
        tuple(style for style, _ in known),
    )


def membrane_charts(facts: SegmentFacts) -> ChartGroup | None:
    """V-Rand and V-Info over the threshold of membranes."""
    known = [
        (style, run)
        for style, run in zip(segment_styles(facts), facts.runs, strict=True)
        if run.membranes is not None
    ]
    if not known:
        return None
    charts = [
        Chart(heading, drawn(_over_thresholds(heading, name, known)))
        for heading, name in (("V-Rand", "v_rand"), ("V-Info", "v_info"))
    ]
    return ChartGroup(
        "Cells, by where membranes begin",
        "A pixel is inside a cell where its probability of membrane is below the threshold. The "
        f"upright line is that of {facts.run.shown}, chosen on {facts.run.chosen or 'others'}.",
        tuple(charts),
        tuple(style for style, _ in known),
    )


def _over_thresholds(
    heading: str, name: str, known: Sequence[tuple[Style, SegmentRunFacts]]
) -> str:
    lines = [
        Line(style, np.array(run.membranes.thresholds), run.membranes.scores(name))
        for style, run in known
        if run.membranes is not None
    ]
    values = reach(lines)[np.isfinite(reach(lines))]
    low = max(min(float(values.min(initial=1)), 0.95), 0.0)
    x = Axis(0, 1, tuple((n / 5, f"{n / 5:g}") for n in range(6)))
    canvas = Canvas(x, Axis.between(low, 1.0), "threshold of membrane")
    chosen = known[0][1].membrane
    at = "" if chosen is None else _upright(canvas, chosen)
    told = "; ".join(_best_told(line) for line in lines)
    return canvas.picture(
        f"{heading} over the threshold. {told}",
        at,
        *(curve(canvas, line) for line in reversed(lines)),
        readings(canvas, lines, [f"threshold {limit:g}" for limit in lines[0].x]),
    )


def _upright(canvas: Canvas, value: float) -> str:
    return f'<path class="best" d="M{canvas.across(value):.1f},{canvas.top}V{canvas.bottom}"/>'


def _best_told(line: Line) -> str:
    if not np.isfinite(line.y).any():
        return f"{line.style.title}: undefined"
    place = int(np.nanargmax(line.y))
    return f"{line.style.title}: {number(float(line.y[place]), 4)} at {line.x[place]:g}"


def roc_charts(facts: SegmentFacts) -> ChartGroup | None:
    """ROC curves of pixels of the second class, with the second observer as a point."""
    if len(facts.data.classes) != 2:
        return None
    styles, shares = segment_styles(facts), Axis.of_shares()
    rates = [run.pixels.roc(1) for run in facts.runs]
    axes = {"Whole": shares, "Where false alarms are rare": Axis.of_powers(np.array([RARE, 1.0]))}
    charts = [
        Chart(heading, drawn(_roc(facts, heading, x, styles, rates))) for heading, x in axes.items()
    ]
    human = "" if facts.reference is None else " The diamond is the second observer."
    key = styles if facts.reference is None else [*styles, reference_style(facts)]
    return ChartGroup(
        f"Pixels of {facts.data.classes[1]} against the others",
        "Share of them found against the share of other pixels taken for them, as the probability "
        f"asked for falls; up and left is best.{human}",
        tuple(charts),
        tuple(key),
        "squares",
    )


def _roc(
    facts: SegmentFacts, heading: str, x: Axis, styles: Sequence[Style], rates: Sequence[Rates]
) -> str:
    canvas = Canvas(x, Axis.of_shares(), WRONG, FOUND, SQUARE)
    told = "; ".join(
        f"{run.shown}, area {number(of_all(run.pixels.auc()), 4)}" for run in facts.runs
    )
    layers = [
        f'<path class="line" d="{_path(canvas, *held)}" stroke="{style.colour}">'
        f"<title>{escape(style.title)}</title></path>"
        for style, held in zip(styles, rates, strict=True)
        if np.isfinite(held[0]).all() and np.isfinite(held[1]).all()
    ]
    return canvas.picture(f"ROC, {heading.lower()}. {told}", *layers, _human(facts, canvas))


def _human(facts: SegmentFacts, canvas: Canvas) -> str:
    if facts.reference is None:
        return ""
    style = reference_style(facts)
    found, spared = of_all(facts.reference.sensitivity()), of_all(facts.reference.specificity())
    if not np.isfinite(found + spared):
        return ""
    spot = f"{canvas.across(1 - spared):.1f} {canvas.down(found):.1f}"
    told = f"{style.title}: finds {number(found, 3)}, takes {number(1 - spared, 4)} wrongly"
    return (
        f'<path class="human" d="{MARKS[style.marker]}" fill="{style.colour}" '
        f'transform="translate({spot}) scale(1.6)"><title>{escape(told)}</title></path>'
    )


def _path(canvas: Canvas, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Points that lie a pixel from the one before, and the last."""
    points = np.array([[canvas.across(a), canvas.down(b)] for a, b in zip(x, y, strict=True)])
    kept = [points[0]]
    kept += [at for at in points[1:-1] if np.abs(at - kept[-1]).max() > 1]
    return "M" + "L".join(f"{across:.1f},{down:.1f}" for across, down in (*kept, points[-1]))


def course_beside(facts: SegmentFacts) -> ChartGroup | None:
    """The losses of several runs by epoch; None of fewer than two."""
    charts, styles = [], segment_styles(facts)
    for heading, name in (("Validation loss", "validation_loss"), ("Training loss", "loss")):
        lines = [
            line_of(style, found)
            for style, run in zip(styles, facts.runs, strict=True)
            if (found := getattr(run.training.curves, name)) is not None
        ]
        if len(lines) > 1:
            y = Axis.from_zero(reach(lines))
            charts.append(Chart(heading, drawn(epoch_chart(heading, lines, y))))
    if not charts:
        return None
    return ChartGroup("Runs beside each other", "", tuple(charts), tuple(styles))

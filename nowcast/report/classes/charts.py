"""What the probabilities of a classification are worth: ROC curves and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.class_tally import ClassTally
from nowcast.evaluation.confusion import wilson_interval
from nowcast.report.axes import Axis
from nowcast.report.figures import SQUARE, Canvas, Line, band, curve, nothing
from nowcast.report.lines import Chart, ChartGroup, drawn
from nowcast.report.styles import GREY, SPARE_COLOURS, Style
from nowcast.report.wording import number, percent

HARDEST = 4
OTHERS = Style("others", "other classes", GREY, "circle")
CONFIDENCE = Style("confidence", "Test images", "#0072b2", "square")
BARS = 0.16
RARE = 1e-4
HALF_PIXEL = 0.5
WRONG, FOUND = "false positive rate", "true positive rate"


def roc_charts(tally: ClassTally, classes: Sequence[str]) -> ChartGroup:
    """Every class against the others; the hardest in colour."""
    styles = roc_styles(tally, classes)
    rates = [tally.roc(label) for label in range(tally.classes)]
    shares = Axis.of_shares()
    rare = Axis.of_powers(np.array([RARE, 1.0]))
    charts = [
        Chart(heading, drawn(_roc(heading, Canvas(x, shares, WRONG, FOUND, SQUARE), rates, styles)))
        for heading, x in (("Whole", shares), ("Where false alarms are rare", rare))
    ]
    coloured = [style for style in styles if style is not OTHERS]
    key = (*coloured, *([OTHERS] if OTHERS in styles else []))
    return ChartGroup(
        "One class against the others",
        "Share of a class's images found (true positive rate) against the share of other images "
        "taken for it (false positive rate), as the probability asked for falls; up and left is "
        f"best. {_error_told(tally)}",
        tuple(charts),
        key,
        "squares",
    )


def roc_styles(tally: ClassTally, classes: Sequence[str]) -> list[Style]:
    """A style for each class: those of the smallest areas have a colour of their own."""
    areas = tally.auc()
    known = [int(n) for n in np.argsort(areas, kind="stable") if np.isfinite(areas[n])]
    coloured = known[: tally.classes if tally.classes <= HARDEST + 1 else HARDEST]
    styles = [OTHERS] * tally.classes
    for place, label in enumerate(coloured):
        title = f"{classes[label]}, area {number(float(areas[label]), 4)}"
        styles[label] = Style(
            classes[label], title, SPARE_COLOURS[place + 1 - len(SPARE_COLOURS)], "circle"
        )
    return styles


def _error_told(tally: ClassTally) -> str:
    errors = tally.auc_error()
    worst = float(np.nanmax(errors)) if np.isfinite(errors).any() else float("nan")
    return f"Areas are exact to {number(worst, 5)}."


def _roc(
    heading: str,
    canvas: Canvas,
    rates: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    styles: Sequence[Style],
) -> str:
    order = sorted(range(len(styles)), key=lambda label: styles[label] is not OTHERS)
    told = "; ".join(style.title for style in styles if style is not OTHERS)
    chance = np.geomspace(RARE, 1, 60) if canvas.x.logarithmic else np.array([0.0, 1.0])
    return canvas.picture(
        f"ROC curves, {heading.lower()}. Hardest classes: {told}",
        f'<path class="equal" d="{_path(canvas, chance, chance)}"/>',
        *(_roc_curve(canvas, *rates[label], styles[label]) for label in order),
    )


def _roc_curve(
    canvas: Canvas, false_rate: NDArray[np.float64], true_rate: NDArray[np.float64], style: Style
) -> str:
    if not (np.isfinite(false_rate).all() and np.isfinite(true_rate).all()):
        return ""
    kind = "line faint" if style is OTHERS else "line"
    path = _path(canvas, false_rate, true_rate)
    title = f"<title>{escape(style.title)}</title>"
    return f'<path class="{kind}" d="{path}" stroke="{style.colour}">{title}</path>'


def _path(canvas: Canvas, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Points less than half a pixel from the one before are left out."""
    kept: list[tuple[float, float]] = []
    ends = (float(x[-1]), float(y[-1]))
    for place in zip(x.tolist(), y.tolist(), strict=True):
        at = (canvas.across(place[0]), canvas.down(place[1]))
        far = not kept or max(abs(at[0] - kept[-1][0]), abs(at[1] - kept[-1][1])) > HALF_PIXEL
        if far or place == ends:
            kept.append(at)
    return "M" + "L".join(f"{across:.1f},{down:.1f}" for across, down in kept)


def reliability_chart(tally: ClassTally) -> ChartGroup:
    """How often the network is right where it is so sure."""
    return ChartGroup(
        "Reliability",
        "How often the predicted class was right where the network gave it such a probability. On "
        "the diagonal it is as good as it says; below, too sure. Shades are 95 % intervals; the "
        "bars are the share of the images, on a scale of square roots.",
        (Chart("Predicted class", drawn(_reliability(tally))),),
        (),
        "squares",
    )


def _reliability(tally: ClassTally) -> str:
    held, shares = tally.reliability(), Axis.of_shares()
    canvas = Canvas(shares, shares, "probability of the class", "share right", SQUARE)
    counts = zip(tally.sums["sure_right"].tolist(), held.images.tolist(), strict=True)
    low, high = np.array([wilson_interval(right, images) for right, images in counts]).T
    line = Line(CONFIDENCE, held.confidence, held.accuracy, low, high)
    tips = [
        f"says {percent(float(says))}, right {percent(float(right))}\n{int(images)} images"
        for images, says, right in zip(*held, strict=True)
    ]
    told = "; ".join(tip.replace("\n", ", ") for tip, n in zip(tips, held.images, strict=True) if n)
    return canvas.picture(
        f"Reliability diagram. {told or 'No images'}",
        f'<path class="one" d="M{canvas.at(0, 0)}L{canvas.at(1, 1)}"/>',
        _sharpness(canvas, held.images / max(int(held.images.sum()), 1)),
        nothing(canvas, [line]),
        band(canvas, line),
        curve(canvas, line, tips),
    )


def _sharpness(canvas: Canvas, parts: NDArray[np.float64]) -> str:
    path = []
    for place, part in enumerate(parts):
        if part > 0:
            left, right = (canvas.across((place + end) / len(parts)) for end in (0.06, 0.94))
            top = canvas.down(BARS * float(np.sqrt(part)))
            path.append(f"M{left:.1f},{canvas.bottom}V{top:.1f}H{right:.1f}V{canvas.bottom}z")
    return f'<path class="bars" d="{"".join(path)}" fill="{CONFIDENCE.colour}"/>'

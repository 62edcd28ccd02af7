"""Performance diagrams: detection against success, with equal CSI and equal bias."""

from __future__ import annotations

import numpy as np

from nowcast.report.axes import Axis
from nowcast.report.figures import SQUARE, Canvas, Line, curve
from nowcast.report.lines import Chart, Source, drawn
from nowcast.report.wording import number

CSI_CURVES = tuple(n / 10 for n in range(1, 10))
BIAS_RAYS = (0.25, 0.5, 1.0, 2.0, 4.0)


def make_diagrams(source: Source) -> tuple[Chart, ...]:
    """A diagram for each threshold, a line for each forecaster with its lead times as points.

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608, doi:10.1175/2008WAF2222159.1.
    """
    rates = source.scores["threshold"].to_numpy()
    return tuple(
        Chart(f"≥ {rate:g} mm/h", drawn(_diagram(source, n, f"≥ {rate:g} mm/h")))
        for n, rate in enumerate(rates)
    )


def _diagram(source: Source, threshold: int, heading: str) -> str:
    canvas = Canvas(
        Axis.of_shares(), Axis.of_shares(), "success ratio", "probability of detection", SQUARE
    )
    detected = source.lines("pod", threshold=threshold)
    came_true = source.lines("success_ratio", threshold=threshold)
    lines = [
        Line(pod.style, ratio.y, pod.y) for pod, ratio in zip(detected, came_true, strict=True)
    ]
    told = "; ".join(_told(line, source.leads) for line in lines)
    return canvas.picture(
        f"Performance diagram, {heading}. {told}",
        _background(canvas),
        *(curve(canvas, line, _tips(line, source.leads)) for line in reversed(lines)),
        *(_start(canvas, line) for line in reversed(lines)),
    )


def _background(canvas: Canvas) -> str:
    parts = []
    for csi in CSI_CURVES:
        success = np.linspace(csi, 1, 40)
        detected = 1 / (1 / csi - 1 / success + 1)
        points = "L".join(canvas.at(x, y) for x, y in zip(success, detected, strict=True))
        parts.append(f'<path class="equal" d="M{points}"/>')
        x, y = canvas.across(1), canvas.down(csi)
        parts.append(f'<text class="inner y" x="{x - 2:.1f}" y="{y - 2:.1f}">{csi:g}</text>')
    for bias in BIAS_RAYS:
        x, y = min(1, 1 / bias), min(1.0, bias)
        parts.append(f'<path class="ray" d="M{canvas.at(0, 0)}L{canvas.at(x, y)}"/>')
        label = f"{bias:g}" if bias >= 1 else f"1/{1 / bias:g}"
        across, down = canvas.across(x * 0.93), canvas.down(y * 0.93)
        parts.append(f'<text class="inner x" x="{across:.1f}" y="{down:.1f}">{label}</text>')
    return f'<g class="behind">{"".join(parts)}</g>'


def _start(canvas: Canvas, line: Line) -> str:
    known = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
    if not known.size or known[0]:
        return ""
    x, y = canvas.across(float(line.x[0])), canvas.down(float(line.y[0]))
    return f'<circle class="start" cx="{x:.1f}" cy="{y:.1f}" r="6" stroke="{line.style.colour}"/>'


def _tips(line: Line, leads: list[int]) -> list[str]:
    return [
        f"{line.style.title}, {lead} min\n"
        f"detected {number(float(y), 3)}\nsuccess {number(float(x), 3)}"
        for lead, x, y in zip(leads, line.x, line.y, strict=True)
    ]


def _told(line: Line, leads: list[int]) -> str:
    ends = sorted({0, len(leads) - 1})
    places = [
        f"detects {number(float(line.y[n]), 2)} with success {number(float(line.x[n]), 2)} "
        f"at {leads[n]} min"
        for n in ends
    ]
    return f"{line.style.title} {', '.join(places)}"

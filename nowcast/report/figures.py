"""Scores by lead time as small line charts in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nowcast.report.maps import tick_step
from nowcast.report.styles import Style
from nowcast.report.wording import number

WIDTH, HEIGHT = 300, 176
LEFT, RIGHT, TOP, BOTTOM = 36, 292, 10, 146
MARKS = {
    "circle": "M-3,0a3,3 0 1 0 6,0a3,3 0 1 0 -6,0z",
    "square": "M-2.8,-2.8h5.6v5.6h-5.6z",
    "triangle": "M0,-3.6L3.4,2.6H-3.4z",
    "down": "M0,3.6L3.4,-2.6H-3.4z",
    "diamond": "M0,-3.8L3.4,0L0,3.8L-3.4,0z",
    "cross": "M-1,-3.4h2v2.4h2.4v2h-2.4v2.4h-2v-2.4h-2.4v-2h2.4z",
}


@dataclass(frozen=True)
class Line:
    """One forecaster's score (lead,) and how it is drawn."""

    style: Style
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Where values lie in a chart's height: marks with their labels, and a scale of either kind."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    @classmethod
    def from_zero(cls, values: NDArray[np.float64]) -> Axis:
        """From 0 to a round number above every value."""
        known = values[np.isfinite(values)]
        top = float(known.max(initial=0)) or 1.0
        step = tick_step(top, most=5)
        count = int(np.ceil(top / step - 1e-9))
        ticks = tuple((n * step, f"{n * step:.4g}") for n in range(count + 1))
        return cls(0, count * step, ticks)

    @classmethod
    def of_ratios(cls, values: NDArray[np.float64]) -> Axis:
        """By doublings round 1, at most four each way; what lies beyond is drawn at the end."""
        known = values[np.isfinite(values) & (values > 0)]
        octaves = np.log2(known)
        low = int(np.clip(np.floor(octaves.min(initial=-1)), -4, -1))
        high = int(np.clip(np.ceil(octaves.max(initial=1)), 1, 4))
        ticks = tuple((2.0**n, f"{2**n}" if n >= 0 else f"1/{2**-n}") for n in range(low, high + 1))
        return cls(low, high, ticks, logarithmic=True)

    def height(self, value: float) -> float:
        """The vertical place of a value."""
        if self.logarithmic:
            value = float(np.log2(value)) if value > 0 else self.low
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return BOTTOM - share * (BOTTOM - TOP)


def line_chart(
    title: str, leads: Sequence[int], lines: Sequence[Line], *, ratios: bool = False
) -> str:
    """A chart of one score by lead time; a line breaks where its score is undefined.

    Args:
        title: What is shown, for those who do not see it.
        leads: Lead times in minutes.
        lines: One for each forecaster.
        ratios: Whether values are ratios, shown by doublings with 1 marked.
    """
    values = np.concatenate([line.values for line in lines])
    axis = Axis.of_ratios(values) if ratios else Axis.from_zero(values)
    parts = [_grid(axis), _lead_axis(leads)]
    if not np.isfinite(values).any():
        middle = (LEFT + RIGHT) / 2
        parts.append(f'<text class="none" x="{middle}" y="60">nothing to score</text>')
    parts += [_line(line, leads, axis) for line in reversed(lines)]
    parts.append(_readings(leads, lines))
    label = escape(f"{title} by lead time. {_summary(leads, lines)}")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def key_mark(style: Style) -> str:
    """A short piece of a forecaster's line, for a key."""
    return (
        '<svg class="key" viewBox="0 0 28 12" aria-hidden="true">'
        f'<path class="line" d="M1,6H27" stroke="{style.colour}" stroke-dasharray="{style.dash}"/>'
        f'<path d="{MARKS[style.marker]}" transform="translate(14 6)" fill="{style.colour}"/></svg>'
    )


def _place(lead: float, leads: Sequence[int]) -> float:
    return LEFT + 4 + (RIGHT - LEFT - 8) * lead / max(leads)


def _grid(axis: Axis) -> str:
    rows = []
    for value, label in axis.ticks:
        y = axis.height(value)
        kind = "one" if axis.logarithmic and value == 1 else "grid"
        rows.append(f'<path class="{kind}" d="M{LEFT},{y:.1f}H{RIGHT}"/>')
        rows.append(f'<text class="y" x="{LEFT - 5}" y="{y + 3.5:.1f}">{label}</text>')
    return "".join(rows)


def _lead_axis(leads: Sequence[int]) -> str:
    step = tick_step(max(leads), most=6)
    ticks = [int(tick) for tick in np.arange(0, max(leads) + 1, max(step, 1))]
    marks = [
        f'<path class="tick" d="M{_place(tick, leads):.1f},{BOTTOM}v4"/>'
        f'<text class="x" x="{_place(tick, leads):.1f}" y="{BOTTOM + 16}">{tick}</text>'
        for tick in ticks
    ]
    unit = f'<text class="x" x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 2}">lead time, min</text>'
    return f'<path class="axis" d="M{LEFT},{BOTTOM}H{RIGHT}"/>{"".join(marks)}{unit}'


def _line(line: Line, leads: Sequence[int], axis: Axis) -> str:
    path, pen = [], "M"
    marks = []
    for lead, value in zip(leads, line.values, strict=True):
        if not np.isfinite(value):
            pen = "M"
            continue
        x, y = _place(lead, leads), axis.height(value)
        path.append(f"{pen}{x:.1f},{y:.1f}")
        pen = "L"
        marks.append(
            f'<path d="{MARKS[line.style.marker]}" transform="translate({x:.1f} {y:.1f})"/>'
        )
    style = line.style
    return (
        f'<path class="line" d="{"".join(path)}" stroke="{style.colour}" '
        f'stroke-dasharray="{style.dash}"/><g fill="{style.colour}">{"".join(marks)}</g>'
    )


def _readings(leads: Sequence[int], lines: Sequence[Line]) -> str:
    places = [_place(lead, leads) for lead in leads]
    middles = [(here + there) / 2 for here, there in pairwise(places)]
    edges = [LEFT, *middles, RIGHT]
    readings = []
    for n, lead in enumerate(leads):
        told = [f"{line.style.title} {number(float(line.values[n]), 3)}" for line in lines]
        title = escape("\n".join([f"{lead} min", *told]))
        readings.append(
            f'<g class="reading"><rect x="{edges[n]:.1f}" y="{TOP}" '
            f'width="{edges[n + 1] - edges[n]:.1f}" height="{BOTTOM - TOP}"/>'
            f'<path d="M{places[n]:.1f},{TOP}V{BOTTOM}"/><title>{title}</title></g>'
        )
    return "".join(readings)


def _summary(leads: Sequence[int], lines: Sequence[Line]) -> str:
    ends = sorted({0, len(leads) - 1})
    told = []
    for line in lines:
        at = [f"{number(float(line.values[n]), 3)} at {leads[n]} min" for n in ends]
        told.append(f"{line.style.title}: {', '.join(at)}")
    return "; ".join(told)

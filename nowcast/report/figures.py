"""Charts in SVG: lines with their intervals, on axes of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.maps import tick_step
from nowcast.report.styles import Style
from nowcast.report.wording import number

WIDTH = 300
LEFT, RIGHT, TOP = 36, 292, 10
FLAT, SQUARE = 136, RIGHT - LEFT
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
    """Points that one forecaster's line joins, with the interval of each where one is known."""

    style: Style
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None

    def told(self, place: int, decimals: int = 3) -> str:
        """A value in words, with its interval."""
        text = f"{self.style.title} {number(float(self.y[place]), decimals)}"
        if self.low is None or self.high is None or not np.isfinite(self.low[place]):
            return text
        ends = (number(float(end[place]), decimals) for end in (self.low, self.high))
        return f"{text} ({' to '.join(ends)})"


@dataclass(frozen=True)
class Canvas:
    """The area of a chart between its axes."""

    x: Axis
    y: Axis
    x_label: str
    y_label: str = ""
    side: int = FLAT

    @property
    def top(self) -> int:
        """Above it a label of the upright axis finds room."""
        return TOP + 12 * bool(self.y_label)

    @property
    def bottom(self) -> int:
        """The height of the level axis."""
        return self.top + self.side

    def across(self, value: float) -> float:
        """The place of a value from the left."""
        return LEFT + 4 + (RIGHT - LEFT - 8) * self.x.share(value)

    def down(self, value: float) -> float:
        """The place of a value from the top."""
        return self.bottom - self.side * self.y.share(value)

    def at(self, x: float, y: float) -> str:
        """A point of a path."""
        return f"{self.across(x):.1f},{self.down(y):.1f}"

    def picture(self, title: str, *layers: str) -> str:
        """The whole chart; `title` is for those who do not see it."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.bottom + 30}" role="img" '
            f'aria-label="{escape(title)}">{self._upright()}{self._level()}{"".join(layers)}</svg>'
        )

    def _upright(self) -> str:
        rows = []
        for value, label in self.y.ticks:
            y = self.down(value)
            kind = "one" if value == self.y.marked else "grid"
            rows.append(f'<path class="{kind}" d="M{LEFT},{y:.1f}H{RIGHT}"/>')
            rows.append(f'<text class="y" x="{LEFT - 5}" y="{y + 3.5:.1f}">{label}</text>')
        if self.y_label:
            rows.append(f'<text x="2" y="9">{escape(self.y_label)}</text>')
        return "".join(rows)

    def _level(self) -> str:
        marks = [
            f'<path class="tick" d="M{self.across(value):.1f},{self.bottom}v4"/>'
            f'<text class="x" x="{self.across(value):.1f}" y="{self.bottom + 15}">{label}</text>'
            for value, label in self.x.ticks
        ]
        unit = (
            f'<text class="x" x="{(LEFT + RIGHT) / 2}" y="{self.bottom + 28}">{self.x_label}</text>'
        )
        return f'<path class="axis" d="M{LEFT},{self.bottom}H{RIGHT}"/>{"".join(marks)}{unit}'


def line_chart(title: str, leads: Sequence[int], lines: Sequence[Line], y: Axis) -> str:
    """A chart by lead time in minutes; a line breaks where its score is undefined."""
    canvas = Canvas(lead_axis(leads), y, "lead time, min")
    summary = _summary(lines, [f"{lead} min" for lead in leads])
    labels = [f"{lead} min" for lead in leads]
    return canvas.picture(
        f"{title} by lead time. {summary}",
        nothing(canvas, lines),
        *(band(canvas, line) for line in reversed(lines)),
        *(curve(canvas, line) for line in reversed(lines)),
        readings(canvas, lines, labels),
    )


def chart_of(title: str, canvas: Canvas, lines: Sequence[Line], labels: Sequence[str]) -> str:
    """A chart of lines that share their places, each named by a label."""
    return canvas.picture(
        f"{title}. {_summary(lines, labels)}",
        nothing(canvas, lines),
        *(curve(canvas, line) for line in reversed(lines)),
        readings(canvas, lines, labels),
    )


def lead_axis(leads: Sequence[int]) -> Axis:
    """From 0 to the longest lead time."""
    longest = max(leads)
    step = max(tick_step(longest, most=6), 1)
    ticks = [int(tick) for tick in np.arange(0, longest + 1, step)]
    return Axis(0, longest, tuple((tick, f"{tick}") for tick in ticks))


def key_mark(style: Style) -> str:
    """A short piece of a forecaster's line, for a key."""
    return (
        '<svg class="key" viewBox="0 0 28 12" aria-hidden="true">'
        f'<path class="line" d="M1,6H27" stroke="{style.colour}" stroke-dasharray="{style.dash}"/>'
        f'<path d="{MARKS[style.marker]}" transform="translate(14 6)" fill="{style.colour}"/></svg>'
    )


def nothing(canvas: Canvas, lines: Sequence[Line]) -> str:
    """What stands in a chart without a single value."""
    if any(np.isfinite(line.y).any() for line in lines):
        return ""
    return (
        f'<text class="none" x="{(LEFT + RIGHT) / 2}" y="{canvas.top + 50}">nothing to score</text>'
    )


def curve(canvas: Canvas, line: Line, tips: Sequence[str] = ()) -> str:
    """A line with its marks, each with a tip where there is one."""
    path, marks, pen = [], [], "M"
    for place, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
        if not (np.isfinite(x) and np.isfinite(y)):
            pen = "M"
            continue
        path.append(f"{pen}{canvas.at(x, y)}")
        pen = "L"
        tip = f"<title>{escape(tips[place])}</title>" if tips else ""
        spot = f"{canvas.across(x):.1f} {canvas.down(y):.1f}"
        mark = f'<path d="{MARKS[line.style.marker]}" transform="translate({spot})"'
        marks.append(f"{mark}>{tip}</path>" if tip else f"{mark}/>")
    style = line.style
    return (
        f'<path class="line" d="{"".join(path)}" stroke="{style.colour}" '
        f'stroke-dasharray="{style.dash}"/><g fill="{style.colour}">{"".join(marks)}</g>'
    )


def band(canvas: Canvas, line: Line) -> str:
    """The intervals of a line as a shade, wherever both ends are known."""
    if line.low is None or line.high is None:
        return ""
    known = np.isfinite(line.low) & np.isfinite(line.high) & np.isfinite(line.x)
    path = []
    for whole, run in groupby(range(len(known)), lambda place: bool(known[place])):
        places = list(run)
        if whole and len(places) > 1:
            over = [canvas.at(line.x[n], line.high[n]) for n in places]
            back = [canvas.at(line.x[n], line.low[n]) for n in reversed(places)]
            path.append(f"M{'L'.join([*over, *back])}Z")
        elif whole:
            x, low, high = line.x[places[0]], line.low[places[0]], line.high[places[0]]
            path.append(f"M{canvas.at(x, high)}V{canvas.down(low):.1f}h3V{canvas.down(high):.1f}z")
    return f'<path class="band" d="{"".join(path)}" fill="{line.style.colour}"/>' if path else ""


def readings(canvas: Canvas, lines: Sequence[Line], labels: Sequence[str]) -> str:
    """What the pointer reads: all lines' values at one place."""
    places = [canvas.across(x) for x in lines[0].x]
    middles = [(here + there) / 2 for here, there in pairwise(places)]
    edges = [LEFT, *middles, RIGHT]
    told = []
    for n, label in enumerate(labels):
        title = escape("\n".join([label, *(line.told(n) for line in lines)]))
        told.append(
            f'<g class="reading"><rect x="{edges[n]:.1f}" y="{canvas.top}" '
            f'width="{edges[n + 1] - edges[n]:.1f}" height="{canvas.side}"/>'
            f'<path d="M{places[n]:.1f},{canvas.top}V{canvas.bottom}"/><title>{title}</title></g>'
        )
    return "".join(told)


def _summary(lines: Sequence[Line], labels: Sequence[str]) -> str:
    ends = sorted({0, len(labels) - 1})
    told = []
    for line in lines:
        at = [f"{number(float(line.y[n]), 3)} at {labels[n]}" for n in ends]
        told.append(f"{line.style.title}: {', '.join(at)}")
    return "; ".join(told)

"""What a setting of an autoencoder does, with it and without: lines and filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from nowcast.report.axes import Axis
from nowcast.report.classes.curves import trace
from nowcast.report.classes.runs import COLOURS
from nowcast.report.colours import DIVERGING
from nowcast.report.denoise.charts import values_at
from nowcast.report.figures import Canvas, Line, readings
from nowcast.report.inside.pictures import Key, Pixels, Sheet, Tile, photograph
from nowcast.report.inside.pictures import signed as coloured
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.styles import MARKERS, Style
from nowcast.report.training_facts import Figure

READ_AT = 60
SIDE = 44


@dataclass(frozen=True)
class Panel:
    """One chart of an effect.

    Args:
        heading: What stands upwards.
        across: What stands along.
        lines: Name → places and values; one name is one colour in all panels.
        powers: Whether values stand by powers of ten.
        holds: What the axis of values must hold besides, to be like that of another panel.
    """

    heading: str
    across: str
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]]
    powers: bool = False
    holds: Sequence[float] = ()


def effect_charts(
    title: str, note: str, panels: Sequence[Panel], known: Mapping[str, Style] | None = None
) -> ChartGroup:
    """Panels beside each other under one key.

    Args:
        title: What the setting is.
        note: How to read the panels.
        panels: One or more, each with a line or more.
        known: Name → how its lines look, of those that have a look already.

    Raises:
        ValueError: If there is no line, or places and values differ in number.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    if not names:
        raise ValueError(f"{title}: expected one line or more, found none")
    styles = _styles(names, known or {})
    charts = tuple(Chart(panel.heading, drawn(_chart(panel, styles))) for panel in panels)
    return ChartGroup(title, note, charts, tuple(styles.values()))


def _styles(names: Sequence[str], known: Mapping[str, Style]) -> dict[str, Style]:
    """The looks that are known, but a colour only once, and others for the rest."""
    styles: dict[str, Style] = {}
    for name in sorted(names, key=lambda name: name not in known):
        taken = {part for style in styles.values() for part in (style.colour, style.marker)}
        style = known.get(name)
        if style is None or style.colour in taken:
            colours = [colour for colour in COLOURS if colour not in taken] or COLOURS
            markers = [marker for marker in MARKERS if marker not in taken] or MARKERS
            style = Style(name, name, colours[0], markers[0])
        styles[name] = style
    return {name: styles[name] for name in names}


def _chart(panel: Panel, styles: Mapping[str, Style]) -> str:
    lines = [_line(styles[name], *held) for name, held in panel.lines.items()]
    places = np.unique(np.concatenate([line.x for line in lines]))
    values = np.concatenate([reach(lines), np.asarray(panel.holds, np.float64)])
    y = Axis.of_powers(values) if panel.powers else Axis.round_zero(values)
    x = Axis.between(float(places[0]), max(float(places[-1]), float(places[0]) + 1e-9))
    canvas = Canvas(x, y, panel.across)
    picks = np.linspace(0, len(places) - 1, min(len(places), READ_AT)).round().astype(int)
    read = places[np.unique(picks)]
    every = [Line(line.style, read, values_at(line, read)) for line in lines]
    told = "; ".join(
        f"{line.style.title} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines
    )
    return canvas.picture(
        f"{panel.heading} by {panel.across}. {told}",
        *(_traced(canvas, line) for line in reversed(lines)),
        readings(canvas, every, [f"{panel.across} {place:.4g}" for place in read]),
    )


def _traced(canvas: Canvas, line: Line) -> str:
    """A line with a few marks, on an axis of any kind."""
    axis = canvas.y
    if not axis.logarithmic:
        return trace(canvas, line)
    known = np.where(line.y > 0, line.y, np.nan)
    even = replace(canvas, y=Axis(axis.low, axis.high, ()))
    return trace(even, Line(line.style, line.x, np.log2(known)))


def _line(style: Style, places: ArrayLike, values: ArrayLike) -> Line:
    x, y = np.asarray(places, np.float64), np.asarray(values, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError(
            f"{style.name}: expected as many values as places, found {y.size} and {x.size}"
        )
    return Line(style, x, y)


def draw_filter_rows(title: str, sentence: str, rows: Mapping[str, Tensor]) -> Figure:
    """Filters of several networks under each other, each on a scale of its own.

    Args:
        title: Heading.
        sentence: How to read them.
        rows: What stands left of a row → its filters (N, C, H, W) of one channel or three.

    Raises:
        ValueError: If there is no row, or one without filters.
    """
    if not rows or not all(len(filters) for filters in rows.values()):
        raise ValueError(f"{title}: expected rows of one filter or more, found none")
    tiles = [[Tile(_filter(each)) for each in filters] for filters in rows.values()]
    grey = any(filters.shape[1] == 1 for filters in rows.values())
    keys = [Key(DIVERGING, "least", "most", "weight, 0 in the middle")] if grey else []
    told = ", ".join(f"{len(filters)} of {name}" for name, filters in rows.items())
    names = [name.replace(", ", "\n") for name in rows]
    return Figure(title, Sheet(tiles, SIDE, (), names, keys).uri(), f"Filters: {told}", sentence)


def _filter(weights: Tensor) -> Pixels:
    reach = max(float(weights.abs().max()), 1e-12)
    if len(weights) == 1:
        return coloured(weights[0], reach)
    return photograph(0.5 + weights / (2 * reach))

"""Scores of a scores file as lines, one for each forecaster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from markupsafe import Markup
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.figures import Line, line_chart
from nowcast.report.styles import Style

Intervals = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Chart:
    """One small chart under its heading."""

    heading: str
    svg: Markup


@dataclass(frozen=True)
class ChartGroup:
    """Charts of one kind of score and how to read them.

    Args:
        title: Of all.
        note: How to read them.
        charts: In reading order.
        key: Whose lines they are.
        columns: How they stand: "flat" or "squares".
    """

    title: str
    note: str
    charts: tuple[Chart, ...]
    key: tuple[Style, ...] = ()
    columns: str = "flat"


@dataclass(frozen=True)
class Source:
    """Where lines come from.

    Args:
        scores: A scores file.
        intervals: Score → its `low` and `high`.
        styles: Of the forecasters to draw.
    """

    scores: xr.Dataset
    intervals: Intervals
    styles: Mapping[str, Style]

    def has(self, *names: str) -> bool:
        """Whether the file has all of these scores."""
        return all(name in self.scores for name in names)

    def lines(self, name: str, **place: int) -> list[Line]:
        """A score (forecaster, lead_time) at a place of its other dimensions."""
        ends = self.intervals.get(name)
        x = self.scores["lead_time"].to_numpy().astype(np.float64)
        return [
            Line(
                style,
                x,
                _values(self.scores[name], forecaster, place),
                None if ends is None else _values(ends["low"], forecaster, place),
                None if ends is None else _values(ends["high"], forecaster, place),
            )
            for forecaster, style in self.styles.items()
        ]

    @property
    def key(self) -> tuple[Style, ...]:
        """The styles in reading order."""
        return tuple(self.styles.values())

    @property
    def leads(self) -> list[int]:
        """Lead times in minutes."""
        return [int(lead) for lead in self.scores["lead_time"]]

    def chart(self, title: str, heading: str, lines: list[Line], y: Axis | None = None) -> Chart:
        """Lines by lead time; the axis begins at 0 unless one is given."""
        axis = y or Axis.from_zero(reach(lines))
        return Chart(heading, drawn(line_chart(f"{title}, {heading}", self.leads, lines, axis)))


def reach(lines: list[Line]) -> NDArray[np.float64]:
    """All values that an axis must hold: those of lines and of their intervals."""
    held = [
        values for line in lines for values in (line.y, line.low, line.high) if values is not None
    ]
    return np.concatenate(held)


def drawn(svg: str) -> Markup:
    """SVG of our own making, not to be escaped again."""
    return Markup(svg)  # noqa: S704


def _values(score: xr.DataArray, forecaster: str, place: Mapping[str, int]) -> NDArray[np.float64]:
    held = score.isel(place).sel(forecaster=forecaster)
    return held.to_numpy().astype(np.float64)

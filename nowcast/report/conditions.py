"""When and in what rain a forecast is good: by hour of the day, by observed intensity."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.figures import Canvas, Line, chart_of
from nowcast.report.lines import Chart, Source, drawn, reach
from nowcast.report.wording import nearest
from nowcast.verification.scores_file import by_hour as scores_by_hour

LEADS = (30, 60)
THRESHOLD = 1.0


def by_hour(source: Source) -> tuple[Chart, ...]:
    """CSI by hour of issue at about 30 and 60 minutes; nothing where all are of one hour."""
    hours = np.unique(source.scores["issue_time"].dt.hour)
    if len(hours) < 2:
        return ()
    place = nearest(source.scores["threshold"], [THRESHOLD])
    csi = scores_by_hour("csi", source.scores.isel(threshold=place)).isel(threshold=0)
    whole = csi.reindex(hour=range(int(hours.min()), int(hours.max()) + 1))
    rate = float(csi["threshold"])
    charts = []
    for lead in nearest(csi["lead_time"], LEADS):
        x = whole["hour"].to_numpy().astype(np.float64)
        lines = [
            Line(style, x, whole.isel(lead_time=lead).sel(forecaster=name).to_numpy())
            for name, style in source.styles.items()
        ]
        heading = f"CSI, ≥ {rate:g} mm/h, {source.leads[lead]} min"
        canvas = Canvas(_hours(x), Axis.from_zero(reach(lines)), "hour of issue, UTC")
        labels = [f"{hour:.0f} h" for hour in x]
        charts.append(Chart(heading, drawn(chart_of(f"{heading}, by hour", canvas, lines, labels))))
    return tuple(charts)


def by_intensity(source: Source) -> tuple[Chart, ...]:
    """Mean error by observed rain rate at about 30 and 60 minutes, where the file has it."""
    if not source.has("class_mean_error"):
        return ()
    scores = source.scores["class_mean_error"]
    names = _class_names(scores["intensity"].to_numpy().tolist())
    x = np.arange(len(names), dtype=np.float64)
    charts = []
    for lead in nearest(scores["lead_time"], LEADS):
        lines = [
            Line(style, x, scores.isel(lead_time=lead).sel(forecaster=name).to_numpy())
            for name, style in source.styles.items()
        ]
        heading = f"Mean error, mm/h, {source.leads[lead]} min"
        y = Axis.round_zero(reach(lines))
        canvas = Canvas(Axis.of_names(names), y, "observed, mm/h")
        charts.append(Chart(heading, drawn(chart_of(heading, canvas, lines, names))))
    return tuple(charts)


def _hours(hours: NDArray[np.float64]) -> Axis:
    every = max(1, -(-len(hours) // 8))
    ticks = tuple((float(hour), f"{hour:.0f}") for hour in hours[::every])
    return Axis(float(hours[0]), float(hours[-1]), ticks)


def _class_names(edges: list[float]) -> list[str]:
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(edges[1:])]
    return [f"< {edges[1]:g}", *inner, f"≥ {edges[-1]:g}"]

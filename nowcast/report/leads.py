"""Scores by lead time, with the intervals that are known."""

from __future__ import annotations

import numpy as np

from nowcast.report.axes import Axis
from nowcast.report.figures import Line
from nowcast.report.lines import Chart, ChartGroup, Source, reach
from nowcast.report.tables import SCALES_KM
from nowcast.report.wording import nearest

FSS_THRESHOLDS = (1.0, 5.0)
SHORT = {"mae": "MAE", "rmse": "RMSE", "missing_share": "Missing"}


def by_lead(source: Source) -> list[ChartGroup]:
    """CSI, bias, FSS, errors and structure, as far as the file has them."""
    return [*_of_events(source), *_of_fields(source)]


def _of_events(source: Source) -> list[ChartGroup]:
    scored = [source.lines("csi", threshold=n) for n in _thresholds(source)]
    matched = (
        [source.lines("matched_csi", threshold=n) for n in _thresholds(source)]
        if source.has("matched_csi")
        else []
    )
    axes = [Axis.from_zero(reach([*a, *b])) for a, b in zip(scored, matched or scored, strict=True)]
    return [
        ChartGroup(
            "Critical success index (CSI)",
            "Share of the rain, observed or forecast, that was both. 1 is best. "
            "Each chart has its own scale.",
            _thresholded(source, "CSI", scored, axes),
            source.key,
        ),
        ChartGroup(
            "CSI at matched frequency",
            "The same with each forecaster’s threshold moved until it forecasts as much rain area "
            "as was observed: what is left of a lead when nothing is gained by bias. A line breaks "
            "where a forecaster has too little rain for that. Scales as above.",
            _thresholded(source, "CSI at matched frequency", matched, axes),
            source.key,
        ),
        ChartGroup(
            "Frequency bias",
            "Forecast over observed rain area. 1 is best; below 1 the forecast loses rain, "
            "as blurred forecasts do where it is heavy.",
            _biases(source),
            source.key,
        ),
    ]


def _of_fields(source: Source) -> list[ChartGroup]:
    return [
        ChartGroup(
            "Fractions skill score (FSS)",
            "How well the shares of rain in windows of one width agree. 1 is best.",
            _by_scale(source),
            source.key,
        ),
        ChartGroup(
            "Error and coverage",
            "0 is best. Blurred forecasts have small errors: read these beside the bias.",
            _errors(source),
            source.key,
        ),
        ChartGroup(
            "Structure",
            "Likeness of the pictures (SSIM, 1 is best), and the signed means of SAL, 0 is best: "
            "structure above 0 for objects too large or too flat, amplitude above 0 for too much "
            "rain, location the larger the further off.",
            _structure(source),
            source.key,
        ),
    ]


def _thresholds(source: Source) -> range:
    return range(source.scores.sizes["threshold"])


def _thresholded(
    source: Source, title: str, lines: list[list[Line]], axes: list[Axis]
) -> tuple[Chart, ...]:
    rates = source.scores["threshold"].to_numpy()
    return tuple(
        source.chart(title, f"≥ {rates[n]:g} mm/h", held, axes[n]) for n, held in enumerate(lines)
    )


def _biases(source: Source) -> tuple[Chart, ...]:
    lines = [source.lines("frequency_bias", threshold=n) for n in _thresholds(source)]
    axes = [Axis.of_ratios(np.concatenate([line.y for line in held])) for held in lines]
    return _thresholded(source, "Frequency bias", lines, axes)


def _errors(source: Source) -> tuple[Chart, ...]:
    headings = {
        "mae": "Mean absolute error, mm/h",
        "rmse": "Root mean square error, mm/h",
        "missing_share": "Share left missing",
    }
    return tuple(
        _from_zero(source, name, SHORT[name], heading)
        for name, heading in headings.items()
        if source.has(name)
    )


def _by_scale(source: Source) -> tuple[Chart, ...]:
    if not source.has("fss"):
        return ()
    rates, scales = (source.scores[name].to_numpy() for name in ("threshold", "scale"))
    return tuple(
        source.chart(
            "FSS",
            f"≥ {rates[n]:g} mm/h, {scales[k]:g} km windows",
            source.lines("fss", threshold=n, scale=k),
        )
        for n in nearest(rates, FSS_THRESHOLDS)
        for k in nearest(scales, SCALES_KM)
    )


def _from_zero(source: Source, name: str, title: str, heading: str) -> Chart:
    return source.chart(title, heading, source.lines(name))


def _structure(source: Source) -> tuple[Chart, ...]:
    charts = []
    if source.has("ssim"):
        charts.append(_from_zero(source, "ssim", "SSIM", "Structural similarity"))
    for part in ("structure", "amplitude", "location"):
        if source.has(f"sal_{part}"):
            lines = source.lines(f"sal_{part}")
            axis = Axis.round_zero(reach(lines))
            charts.append(source.chart("SAL", f"SAL {part}", lines, axis))
    return tuple(charts)

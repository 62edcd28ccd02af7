"""Which scores a report draws, and what it says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from markupsafe import Markup

from nowcast.report.figures import Line, line_chart
from nowcast.report.styles import Style
from nowcast.report.tables import SCALES_KM
from nowcast.report.wording import nearest

FSS_THRESHOLDS = (1.0, 5.0)


@dataclass(frozen=True)
class Chart:
    """One small chart under its heading."""

    heading: str
    svg: Markup


@dataclass(frozen=True)
class ChartGroup:
    """Charts of one kind of score and how to read them."""

    title: str
    note: str
    charts: tuple[Chart, ...]


def make_charts(scores: xr.Dataset, styles: Mapping[str, Style]) -> list[ChartGroup]:
    """All charts of a scores file, in reading order."""
    return [
        ChartGroup(
            "Critical success index (CSI)",
            "Share of the rain, observed or forecast, that was both. 1 is best. "
            "Each chart has its own scale.",
            _by_threshold("CSI", scores["csi"], styles),
        ),
        ChartGroup(
            "Frequency bias",
            "Forecast over observed rain area. 1 is best; below 1 the forecast loses rain, "
            "as blurred forecasts do where it is heavy.",
            _by_threshold("Frequency bias", scores["frequency_bias"], styles, ratios=True),
        ),
        ChartGroup(
            "Fractions skill score (FSS)",
            "How well the shares of rain in windows of one width agree. 1 is best.",
            _by_scale(scores["fss"], styles),
        ),
        ChartGroup(
            "Error and coverage",
            "0 is best. Blurred forecasts have small errors: read these beside the bias.",
            (
                _chart("MAE", "Mean absolute error, mm/h", scores["mae"], styles),
                _chart("RMSE", "Root mean square error, mm/h", scores["rmse"], styles),
                _chart("Missing", "Share left missing", scores["missing_share"], styles),
            ),
        ),
    ]


def _by_threshold(
    title: str, values: xr.DataArray, styles: Mapping[str, Style], *, ratios: bool = False
) -> tuple[Chart, ...]:
    return tuple(
        _chart(title, f"≥ {rate:g} mm/h", values.isel(threshold=n), styles, ratios=ratios)
        for n, rate in enumerate(values["threshold"].to_numpy())
    )


def _by_scale(fss: xr.DataArray, styles: Mapping[str, Style]) -> tuple[Chart, ...]:
    rates, scales = fss["threshold"].to_numpy(), fss["scale"].to_numpy()
    return tuple(
        _chart(
            "FSS",
            f"≥ {rates[n]:g} mm/h, {scales[k]:g} km windows",
            fss.isel(threshold=n, scale=k),
            styles,
        )
        for n in nearest(rates, FSS_THRESHOLDS)
        for k in nearest(scales, SCALES_KM)
    )


def _chart(
    title: str,
    heading: str,
    values: xr.DataArray,
    styles: Mapping[str, Style],
    *,
    ratios: bool = False,
) -> Chart:
    leads = [int(lead) for lead in values["lead_time"]]
    lines = [
        Line(style, values.sel(forecaster=name).to_numpy().astype(np.float64))
        for name, style in styles.items()
    ]
    svg = line_chart(f"{title}, {heading}", leads, lines, ratios=ratios)
    return Chart(heading, Markup(svg))  # noqa: S704

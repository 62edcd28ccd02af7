"""Power by wavelength: how much of the rain's detail a forecast keeps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report.axes import Axis
from nowcast.report.figures import Canvas, Line, chart_of
from nowcast.report.lines import Chart, Source, drawn, reach
from nowcast.report.styles import Style
from nowcast.report.wording import nearest, rounded

LEADS = (6, 30, 60)
OBSERVED = Style("observed", "Observed", "currentColor", "circle", "2 3")


def make_spectra(source: Source) -> tuple[Chart, ...]:
    """Observed and forecast power at about 6, 30 and 60 minutes."""
    if not source.has("spectrum", "spectrum_observed"):
        return ()
    held = _known(source.scores)
    if not held.sizes["wavelength"]:
        return ()
    charts = []
    for lead in nearest(held["lead_time"], LEADS):
        at_lead = held.isel(lead_time=lead)
        x = held["wavelength"].to_numpy().astype(np.float64)
        observed = at_lead["spectrum_observed"].to_numpy().astype(np.float64)
        lines = [*_lines(source, at_lead["spectrum"]), Line(OBSERVED, x, _positive(observed))]
        y = Axis.of_powers(reach(lines))
        charts.append(_chart("Power, dBZ²", at_lead, lines, y))
    return tuple(charts)


def make_ratios(source: Source) -> tuple[Chart, ...]:
    """Forecast over observed power at the same lead times."""
    if not source.has("power_ratio", "spectrum_observed"):
        return ()
    held = _known(source.scores)
    if not held.sizes["wavelength"]:
        return ()
    charts = []
    for lead in nearest(held["lead_time"], LEADS):
        lines = _lines(source, held["power_ratio"].isel(lead_time=lead))
        y = Axis.of_ratios(reach(lines), most=8)
        charts.append(_chart("Power ratio", held.isel(lead_time=lead), lines, y))
    return tuple(charts)


def _known(scores: xr.Dataset) -> xr.Dataset:
    """The wavelengths that the grid holds."""
    held = scores["spectrum_observed"].notnull().any("lead_time")
    return scores.isel(wavelength=np.flatnonzero(held))


def _lines(source: Source, score: xr.DataArray) -> list[Line]:
    x = score["wavelength"].to_numpy().astype(np.float64)
    return [
        Line(style, x, _positive(score.sel(forecaster=name).to_numpy().astype(np.float64)))
        for name, style in source.styles.items()
    ]


def _positive(
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    return np.where(values > 0, values, np.nan)


def _chart(title: str, at_lead: xr.Dataset, lines: list[Line], y: Axis) -> Chart:
    wavelengths = at_lead["wavelength"].to_numpy().tolist()
    canvas = Canvas(Axis.of_octaves(wavelengths), y, "wavelength, km")
    heading = f"{title}, {int(at_lead['lead_time'])} min"
    labels = [f"{rounded(wavelength)} km" for wavelength in wavelengths]
    backwards = [Line(line.style, line.x[::-1], line.y[::-1]) for line in lines]
    return Chart(heading, drawn(chart_of(f"{heading} ahead", canvas, backwards, labels[::-1])))

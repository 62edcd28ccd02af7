"""The numbers of a report that are read as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nowcast.report.styles import Style
from nowcast.report.wording import nearest, number, percent

LEADS = (6, 30, 60)
THRESHOLDS = (0.1, 1.0, 5.0)
SCALES_KM = (5.0, 20.0)


@dataclass(frozen=True)
class Column:
    """One score (forecaster, lead) under a heading; `aim` is its best value."""

    score: str
    condition: str
    values: xr.DataArray
    aim: float
    decimals: int = 3

    def cells(self, forecasters: list[str], lead: int) -> list[Cell]:
        """What stands in the rows of a lead time, the best marked unless all are as good."""
        chosen = self.values.isel(lead_time=lead).sel(forecaster=forecasters)
        values = chosen.to_numpy().astype(np.float64).round(self.decimals)
        best = nearest_to(self.aim, values)
        marked = best & (not best.all())
        return [
            Cell(self._text(value), bool(mark)) for value, mark in zip(values, marked, strict=True)
        ]

    def _text(self, value: float) -> str:
        return percent(value) if self.score == "Missing" else number(value, self.decimals)


@dataclass(frozen=True)
class Cell:
    """One number of the table."""

    text: str
    best: bool


@dataclass(frozen=True)
class Table:
    """Columns, and for each lead time in minutes the rows (style, cells)."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[int, tuple[tuple[Style, tuple[Cell, ...]], ...]], ...]


def nearest_to(aim: float, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values lie nearest to the aim; by ratio to it unless it is 0."""
    if not np.isfinite(values).any():
        return np.zeros(values.shape, bool)
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(values / aim)) if aim else np.abs(values)
    marked: NDArray[np.bool_] = distance == np.nanmin(distance)
    return marked


def make_table(scores: xr.Dataset, styles: Mapping[str, Style]) -> Table:
    """The table of a scores file at about 6, 30 and 60 minutes."""
    columns = tuple(_columns(scores))
    minutes = scores["lead_time"].to_numpy()
    groups = []
    for lead in nearest(minutes, LEADS):
        cells = [column.cells(list(styles), lead) for column in columns]
        rows = tuple(zip(styles.values(), zip(*cells, strict=True), strict=True))
        groups.append((int(minutes[lead]), rows))
    return Table(columns, tuple(groups))


def _columns(scores: xr.Dataset) -> list[Column]:
    rates, scales = scores["threshold"].to_numpy(), scores["scale"].to_numpy()
    columns = [
        Column("CSI", f"≥ {rates[n]:g} mm/h", scores["csi"].isel(threshold=n), 1)
        for n in nearest(rates, THRESHOLDS)
    ]
    columns += [
        Column("Bias", f"≥ {rates[n]:g} mm/h", scores["frequency_bias"].isel(threshold=n), 1, 2)
        for n in nearest(rates, THRESHOLDS[1:])
    ]
    if "fss" in scores:
        one = nearest(rates, [1.0])[0]
        fss = scores["fss"].isel(threshold=one)
        columns += [
            Column("FSS", f"≥ {rates[one]:g} mm/h, {scales[n]:g} km", fss.isel(scale=n), 1)
            for n in nearest(scales, SCALES_KM)
        ]
    if "mae" in scores:
        columns.append(Column("MAE", "mm/h", scores["mae"], 0))
    columns.append(Column("Missing", "of observed", scores["missing_share"], 0))
    return columns

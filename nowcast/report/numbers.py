"""All numbers of a report, to take away: tables as CSV, and the scores file itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import xarray as xr

from nowcast.report.lines import Intervals
from nowcast.verification.pooling import pooled

LARGEST_HELD = 2_000_000
LARGEST_TRIED = 100_000_000
SMALLEST_PACKED = 4096
BESIDE = "scores.nc"
AXES = {
    "forecaster": "forecaster",
    "lead_time": "lead_minutes",
    "threshold": "threshold_mm_h",
    "scale": "scale_km",
    "wavelength": "wavelength_km",
    "intensity": "observed_from_mm_h",
    "probability": "forecast_probability",
    "rank": "members_below",
}
TABLES = {
    "scores": ("threshold", "scale"),
    "spectra": ("wavelength",),
    "intensity": ("intensity",),
    "reliability": ("threshold", "probability"),
    "ranks": ("rank",),
}


@dataclass(frozen=True)
class Download:
    """A file to take away: its name, what it holds, and its address."""

    name: str
    what: str
    address: str


def make_downloads(scores: xr.Dataset, intervals: Intervals) -> list[Download]:
    """All that can be taken away."""
    told = {
        "scores": "scores and sums by lead time, threshold and window, with their intervals",
        "spectra": "power by wavelength",
        "intensity": "errors by observed intensity",
        "reliability": "outcomes by forecast probability",
        "ranks": "ranks of the observed among the members",
    }
    downloads = []
    for name, frame in all_numbers(scores, intervals).items():
        downloads.append(Download(f"{name}.csv", told[name], csv_uri(frame)))
    return [*downloads, netcdf(scores)]


def all_numbers(scores: xr.Dataset, intervals: Intervals) -> dict[str, pd.DataFrame]:
    """Table → every score, and every sum pooled over issue times, of its axes, one a row.

    Maps of cells and histograms of reflectivity are in the scores file alone.
    """
    pieces: dict[str, list[pd.DataFrame]] = {}
    for name, values in scores.data_vars.items():
        table = _table_of(values)
        if table is None:
            continue
        rows = _rows(values)
        ends = intervals.get(str(name))
        if ends is not None:
            rows["low"], rows["high"] = (_rows(ends[end])["value"] for end in ("low", "high"))
        unit = str(values.attrs.get("units", "1"))
        pieces.setdefault(table, []).append(rows.assign(score=str(name), unit=unit))
    return {
        name: _joined(pieces[name], ("forecaster", "lead_time", *axes))
        for name, axes in TABLES.items()
        if name in pieces
    }


def _table_of(values: xr.DataArray) -> str | None:
    dims = {str(dim) for dim in values.dims} - {"forecaster", "lead_time", "issue_time"}
    if "lead_time" not in values.dims:
        return None
    if dims <= {*TABLES["scores"]}:
        return "scores"
    return next((name for name, axes in TABLES.items() if dims == {*axes}), None)


def _rows(values: xr.DataArray) -> pd.DataFrame:
    together = pooled(values)
    order = [axis for axis in AXES if axis in together.dims]
    plain = together.transpose(*order).rename("value").reset_coords(drop=True)
    return plain.to_dataframe().reset_index()


def _joined(pieces: list[pd.DataFrame], axes: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.concat(pieces, ignore_index=True)
    ends = [end for end in ("low", "high") if end in frame]
    ordered = frame.reindex(columns=["score", *axes, "value", *ends, "unit"])
    return ordered.rename(columns=AXES)


def csv_uri(frame: pd.DataFrame) -> str:
    """A table as the address of a CSV file that holds itself."""
    text = frame.to_csv(index=False, float_format="%.10g", lineterminator="\r\n")
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()


def netcdf(scores: xr.Dataset) -> Download:
    """The scores file: inside the page where it is small, else the one beside it."""
    what = "the scores file (netCDF): all sums by issue time and all scores"
    beside = Download(BESIDE, f"{what}, beside this page", BESIDE)
    if scores.nbytes > LARGEST_TRIED:
        return beside
    packed = _packed(scores)
    if len(packed) >= LARGEST_HELD:
        return beside
    held = base64.b64encode(packed).decode()
    return Download(BESIDE, what, f"data:application/x-netcdf;base64,{held}")


def _packed(scores: xr.Dataset) -> bytes:
    encoding: Mapping[str, Mapping[str, object]] = {
        str(name): {"zlib": True, "complevel": 4}
        for name, values in scores.data_vars.items()
        if values.nbytes > SMALLEST_PACKED
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / BESIDE
        scores.to_netcdf(path, engine="netcdf4", encoding=encoding)
        return path.read_bytes()

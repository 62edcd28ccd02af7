"""Rain accumulations of KNMI: HDF5 with KNMI's own tags (not ODIM)."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.readers.counts import Counts, accumulation_table
from pipeline.readers.hdf5 import is_hdf5, plain
from pipeline.readers.refusal import ReadError, refusing
from pipeline.reflectivity import ZR

KIND = "a KNMI HDF5 file"
RELATION = ZR(200, 1.6)
QUANTITY = "ACCUMULATED_PRECIPITATION_[MM]"
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
FORMULA = re.compile(r"GEO\s*=\s*([\d.eE+-]+)\s*\*\s*PV\s*([+-]\s*[\d.eE+-]+)?")
INSTANT = re.compile(r"(\d{2})-([A-Z]{3})-(\d{4});(\d{2}):(\d{2}):(\d{2})")


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """One frame; the calibration's missing and out-of-image counts are missing, 0 is no echo."""
    with h5py.File(path) as file:
        overview, image = _tags(file["overview"]), _tags(file["image1"])
        calibration, geographic = _tags(file["image1/calibration"]), _tags(file["geographic"])
        projection = _tags(file["geographic/map_projection"])["projection_proj4_params"]
        counts = np.asarray(file["image1/image_data"])
    if image["image_geo_parameter"] != QUANTITY:
        raise ReadError(f"expected {QUANTITY}, found {image['image_geo_parameter']!r}")
    if counts.ndim != 2 or counts.dtype.kind != "u" or counts.dtype.itemsize > 2:
        raise ReadError(f"expected counts of 16 bits, found {counts.ndim}-D {counts.dtype}")
    start, end = (_instant(overview[f"product_datetime_{edge}"]) for edge in ("start", "end"))
    minutes = (end - start) / np.timedelta64(1, "m")
    gain, offset = _calibration(calibration["calibration_formulas"])
    missing = frozenset(
        int(calibration[f"calibration_{name}"]) for name in ("missing_data", "out_of_image")
    )
    table = accumulation_table(Counts(gain, offset, missing, False), minutes, RELATION)
    return make_frames(
        np.take(table, counts)[np.newaxis],
        [end],
        _grid(_layout(geographic, counts.shape), projection),
        source_quantity=f"rain accumulation, mm in {minutes:g} min",
        zr=RELATION,
    )


def recognises(path: Path) -> bool:
    """Whether it is HDF5 with KNMI's tags."""
    if not is_hdf5(path):
        return False
    with h5py.File(path) as file:
        overview = file.get("overview")
        return overview is not None and "hdftag_version_number" in overview.attrs


def _tags(group: h5py.Group) -> dict[str, Any]:
    return {name: plain(value) for name, value in group.attrs.items()}


def _instant(text: str) -> np.datetime64:
    match = INSTANT.match(text)
    if match is None or match[2] not in MONTHS:
        raise ReadError(f"expected a time like 26-AUG-2010;00:05:00, found {text!r}")
    day, _, year, hour, minute, second = match.groups()
    month = MONTHS.index(match[2]) + 1
    return np.datetime64(datetime(int(year), month, int(day), int(hour), int(minute), int(second)))


def _calibration(formula: str) -> tuple[float, float]:
    match = FORMULA.fullmatch(formula.strip())
    if match is None:
        raise ReadError(f"expected a calibration like GEO=0.01*PV+0.0, found {formula!r}")
    return float(match[1]), float((match[2] or "0").replace(" ", ""))


def _layout(tags: dict[str, Any], shape: tuple[int, ...]) -> tuple[float, ...]:
    rows, columns = int(tags["geo_number_rows"]), int(tags["geo_number_columns"])
    if shape != (rows, columns):
        raise ReadError(f"expected {rows} × {columns} pixels, found {' × '.join(map(str, shape))}")
    if tags["geo_dim_pixel"] != "KM,KM":
        raise ReadError(f"expected pixels in KM,KM, found {tags['geo_dim_pixel']!r}")
    names = ("column_offset", "row_offset", "pixel_size_x", "pixel_size_y")
    return rows, columns, *(1000 * float(tags[f"geo_{name}"]) for name in names)


@lru_cache(maxsize=4)
def _grid(layout: tuple[float, ...], projection: str) -> Grid:
    rows, columns, column_offset, row_offset, width, height = layout
    words = (word.lstrip("+").partition("=") for word in projection.split())
    parameters: dict[str, str | float] = {name: value for name, _, value in words}
    # KNMI writes the earth's axes in kilometres
    parameters |= {axis: 1000 * float(parameters[axis]) for axis in ("a", "b")}
    return Grid.from_corner(
        (int(rows), int(columns)),
        column_offset * width / 1000,
        row_offset * height / 1000,
        (width, -height),
        CRS.from_dict({**parameters, "units": "m"}),
    )

"""Rain accumulations of Australia's Bureau of Meteorology: CF netCDF-4, one radar a file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.readers.counts import Counts, accumulation_table
from pipeline.readers.hdf5 import attributes, is_hdf5, projection
from pipeline.readers.refusal import ReadError, refusing
from pipeline.reflectivity import ZR

KIND = "a BoM netCDF-4 file"
RELATION = ZR(200, 1.6)
VARIABLES = {"precipitation", "valid_time", "start_time", "proj", "x", "y"}
METRES = {"km": 1000.0, "m": 1.0}
EPOCH_UNITS = "seconds since 1970-01-01 00:00:00 UTC"


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """One frame; the fill value is missing, 0 is no echo at any distance from the radar."""
    # no range mask: the corners, 180 km out, hold rain in files of both radars at hand
    with h5py.File(path) as file:
        if not file.keys() >= VARIABLES:
            raise ReadError(f"expected variables {sorted(VARIABLES)}, found {sorted(file)}")
        start, end = (_instant(file[name]) for name in ("start_time", "valid_time"))
        counts = np.asarray(file["precipitation"])
        meaning = _meaning(attributes(file["precipitation"]), counts.dtype)
        edges = *_edge(file["x"]), *_edge(file["y"])
        crs = projection(attributes(file["proj"]))
    minutes = (end - start) / np.timedelta64(1, "m")
    table = accumulation_table(meaning, minutes, RELATION)
    return make_frames(
        np.take(table, counts.view(np.uint16))[np.newaxis],
        [end],
        _grid(counts.shape, edges, crs),
        source_quantity=f"rain accumulation, mm in {minutes:g} min",
        zr=RELATION,
    )


def recognises(path: Path) -> bool:
    """Whether it is netCDF-4 with the variables of a BoM accumulation."""
    if not is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return bool(file.keys() >= VARIABLES)


def _instant(seconds: h5py.Dataset) -> np.datetime64:
    units = attributes(seconds).get("units")
    if units != EPOCH_UNITS:
        raise ReadError(f"expected times in {EPOCH_UNITS!r}, found {units!r}")
    return np.datetime64(int(seconds[()]), "s")


def _meaning(tags: dict[str, Any], dtype: np.dtype[Any]) -> Counts:
    for name, wanted in (("standard_name", "precipitation_amount"), ("units", "kg m-2")):
        if tags.get(name) != wanted:
            raise ReadError(
                f"expected precipitation of {name} {wanted!r}, found {tags.get(name)!r}"
            )
    if dtype != np.int16:
        raise ReadError(f"expected counts of type int16, found {dtype}")
    gain, offset = float(tags["scale_factor"]), float(tags.get("add_offset", 0))
    return Counts(gain, offset, frozenset({int(tags["_FillValue"])}), signed=True)


def _edge(axis: h5py.Dataset) -> tuple[float, float]:
    """Outer edge of the first pixel and the step, in metres."""
    units = attributes(axis).get("units")
    if units not in METRES:
        raise ReadError(f"expected {axis.name} in {sorted(METRES)}, found {units!r}")
    labels = np.asarray(axis, np.float64) * METRES[units]
    step = float(labels[1] - labels[0])
    # the box is centred on the radar: older files label the north-west corners of pixels
    by_corner = abs(labels[0] + labels[-1]) > abs(step) / 2
    return float(labels[0]) - (0 if by_corner else step / 2), step


@lru_cache(maxsize=4)
def _grid(shape: tuple[int, int], edges: tuple[float, float, float, float], crs: CRS) -> Grid:
    west, width, north, height = edges
    return Grid.from_corner(shape, west, north, (width, -height), crs)

"""Any CF netCDF-4 file of reflectivity in dBZ on a regular grid, among them our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.readers.hdf5 import attributes, coordinate_names, is_hdf5, projection, variable
from pipeline.readers.refusal import ReadError, refusing
from pipeline.reflectivity import NO_ECHO, ZR

KIND = "a CF netCDF-4 file of reflectivity"
RELATION = ZR(200, 1.6)
STANDARD_NAME = "equivalent_reflectivity_factor"
AXES = {
    "x": {"x", "lon", "longitude", "projection_x_coordinate", "degrees_east"},
    "y": {"y", "lat", "latitude", "projection_y_coordinate", "degrees_north"},
    "time": {"t", "time", "valid_time"},
}
METRES = {"km": 1000.0, "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0}


@refusing(KIND)
def read(path: Path) -> xr.DataArray:
    """Every frame in the file; the fill value is missing, -32 dBZ and less is no echo.

    The Z–R relation is that of the attributes zr_a and zr_b, otherwise Z = 200 R^1.6.
    """
    if _is_classic(path):
        raise ReadError("expected netCDF-4, found netCDF classic; convert it with nccopy -k nc4")
    with h5py.File(path) as file:
        names = _reflectivities(file)
        if len(names) != 1:
            raise ReadError(f"expected one variable of {STANDARD_NAME}, found {names or 'none'}")
        fields = _load(file, names[0])
        tags = attributes(file[names[0]])
        crs = _crs(file, tags.get("grid_mapping"))
    if str(tags.get("units")).lower() != "dbz":
        raise ReadError(f"expected {names[0]} in units 'dBZ', found {tags.get('units')!r}")
    frames = _arranged(fields[names[0]])
    return make_frames(
        _dbz(frames),
        list(_times(fields)),
        _grid(frames, crs),
        source_quantity=str(tags.get("source_quantity", "reflectivity, dBZ")),
        zr=ZR(float(tags.get("zr_a", RELATION.a)), float(tags.get("zr_b", RELATION.b))),
    )


def recognises(path: Path) -> bool:
    """Whether it is netCDF with a variable of reflectivity."""
    if not is_hdf5(path):
        return _is_classic(path)
    with h5py.File(path) as file:
        return bool(_reflectivities(file))


def _is_classic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def _reflectivities(file: h5py.File) -> list[str]:
    found = {n: d for n, d in file.items() if isinstance(d, h5py.Dataset) and d.ndim >= 2}
    standard = [n for n, d in found.items() if attributes(d).get("standard_name") == STANDARD_NAME]
    return standard or [name for name in found if name.lower() == "reflectivity"]


def _axis(name: str, tags: dict[str, Any]) -> str | None:
    said = {str(tags.get(key)).lower() for key in ("standard_name", "axis", "units")}
    for axis, words in AXES.items():
        if words & (said | {name.lower()}):
            return axis
    return None


def _load(file: h5py.File, name: str) -> xr.Dataset:
    """The reflectivity and its coordinates, decoded, named time, y and x."""
    wanted = coordinate_names(file, name)
    if not any(_axis(n, attributes(file[n])) == "time" for n in wanted):
        scalars = [n for n, d in file.items() if isinstance(d, h5py.Dataset) and d.size == 1]
        wanted |= {*[n for n in scalars if _axis(n, attributes(file[n])) == "time"][:1]}
    raw = xr.Dataset({n: variable(file[n]) for n in (name, *sorted(wanted))})
    axes = {n: _axis(n, attributes(file[n])) for n in wanted}
    decoded = xr.decode_cf(raw, decode_timedelta=False)
    return decoded.rename({n: axis for n, axis in axes.items() if axis})


def _arranged(field: xr.DataArray) -> xr.DataArray:
    """As (time, y, x), y from north to south."""
    others = [n for n in field.dims if n not in AXES and field.sizes[n] == 1]
    field = field.squeeze(others, drop=True)
    if not {"y", "x"} <= {*field.dims} <= {*AXES} or not {"y", "x"} <= {*field.coords}:
        raise ReadError(f"expected dimensions time, y, x with coordinates, found {field.dims}")
    field = field if "time" in field.dims else field.expand_dims("time")
    field = field.transpose("time", "y", "x")
    steps = {axis: slice(None, None, _sense(field, axis)) for axis in ("x", "y")}
    return field.isel(steps)


def _sense(field: xr.DataArray, axis: str) -> int:
    ascends = bool(field[axis][-1] > field[axis][0])
    return 1 if ascends == (axis == "x") else -1


def _times(fields: xr.Dataset) -> NDArray[np.datetime64]:
    if "time" not in fields.variables:
        raise ReadError("expected a time in the file, found none")
    times = np.atleast_1d(fields["time"].to_numpy())
    if times.dtype.kind != "M" or np.isnat(times).any():
        raise ReadError(f"expected times of a CF calendar, found {times.dtype} {times[:1]}")
    return times


def _dbz(frames: xr.DataArray) -> NDArray[np.float32]:
    dbz = frames.to_numpy().astype(np.float32)
    if np.isposinf(dbz).any():
        raise ReadError("expected finite reflectivity, found infinity")
    dbz[dbz <= NO_ECHO] = NO_ECHO
    return dbz


def _crs(file: h5py.File, mapping: object) -> CRS | None:
    name = str(mapping).partition(":")[0].strip()
    return projection(attributes(file[name])) if mapping and name in file else None


def _grid(frames: xr.DataArray, crs: CRS | None) -> Grid:
    units = str(frames["x"].attrs.get("units"))
    degrees = units.startswith("degree")
    if not degrees and units not in METRES:
        raise ReadError(f"expected x in metres, kilometres or degrees, found {units!r}")
    if crs is None and degrees:
        crs = CRS.from_epsg(4326)
    if crs is None:
        raise ReadError(f"expected a grid_mapping for x in {units!r}, found none")
    scale = 1.0 if degrees else METRES[units]
    x, y = (np.asarray(frames[axis], np.float64) * scale for axis in ("x", "y"))
    return Grid(x, y, crs)

"""HDF5 and netCDF-4 through h5py, whose lock makes it safe to read from several threads."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from pyproj import CRS

MAGIC = b"\x89HDF\r\n\x1a\n"
BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
HOUSEKEEPING = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"}


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as HDF5 does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def plain(value: Any) -> Any:
    """An attribute as text or number, where it is a single one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    return value.decode() if isinstance(value, bytes) else value


def attributes(dataset: h5py.Dataset) -> dict[str, Any]:
    """What the file says of one variable, without netCDF's own bookkeeping."""
    names = [n for n in dataset.attrs if n not in HOUSEKEEPING and not n.startswith("_Netcdf4")]
    return {name: plain(dataset.attrs[name]) for name in names}


def coordinate_names(file: h5py.File, name: str) -> set[str]:
    """The axes of one netCDF-4 variable that have coordinates of their own."""
    found = {axis for axis in dimensions(file[name]) if axis in file and file[axis].ndim == 1}
    return {axis for axis in found if BARE_DIMENSION not in file[axis].attrs.get("NAME", b"")}


def dimensions(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of the axes of one netCDF-4 variable."""
    if dataset.attrs.get("CLASS") == b"DIMENSION_SCALE":
        return (dataset.name.rpartition("/")[2],) if dataset.ndim else ()
    return tuple(axis[0].name.rpartition("/")[2] for axis in dataset.dims)


def variable(dataset: h5py.Dataset) -> xr.Variable:
    """One netCDF-4 variable in memory, its numbers as they are stored."""
    return xr.Variable(dimensions(dataset), dataset[()], attributes(dataset))


def projection(tags: dict[str, Any]) -> CRS:
    """The coordinate reference system that a CF grid mapping's attributes describe."""
    return _projection(json.dumps(tags, sort_keys=True, default=lambda value: value.tolist()))


@lru_cache(maxsize=8)
def _projection(tags: str) -> CRS:
    return CRS.from_cf(json.loads(tags))

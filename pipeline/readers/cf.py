"""What CF metadata say of a field: its quantity, axes, times and place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.readers.hdf5 import projection
from pipeline.readers.quantity import AMOUNTS, RATES, REFLECTIVITIES, Quantity
from pipeline.readers.refusal import ReadError, refusing

Variables = Mapping[str, xr.Variable]
Read = Callable[[Path], NDArray[np.float32]]
Refusing = Callable[[Read], Read]

AXES = {
    "x": {"x", "lon", "longitude", "projection_x_coordinate", "degrees_east"},
    "y": {"y", "lat", "latitude", "projection_y_coordinate", "degrees_north"},
    "time": {"t", "time", "valid_time"},
}
METRES = {"km": 1000.0, "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0}
WHOLE_BYTES = 64 * 2**20
CHUNK_BYTES = 16 * 2**20


def names_of_fields(variables: Variables) -> list[str]:
    """The variables of reflectivity; where there is none those of rain rate, then of rain."""
    names = {n: v.attrs.get("standard_name") for n, v in variables.items() if v.ndim >= 2}
    for standard_names in (REFLECTIVITIES, RATES, AMOUNTS):
        if found := sorted(name for name, said in names.items() if said in standard_names):
            return found
    return [name for name in names if name.lower() == "reflectivity"]


def frames_of(variables: Variables, path: Path, kind: str) -> xr.DataArray:
    """The frames of the one field among the raw variables of a file.

    The Z–R relation is that of its attributes zr_a and zr_b, otherwise Z = 200 R^1.6. Frames of
    more than 64 MiB stay on disk, in a dask array: what is asked for is read, or refused, then.

    Args:
        variables: As stored, with CF attributes.
        path: Where they are from.
        kind: What a good file is, with its article.

    Raises:
        ReadError: If the metadata do not tell what every frame holds, where and when.
    """
    names = names_of_fields(variables)
    if len(names) != 1:
        raise ReadError(
            "expected one variable with a standard_name such as equivalent_reflectivity_factor, "
            f"rainfall_flux or rainfall_amount, found {names or 'none'}"
        )
    fields = _decoded(variables, names[0])
    field = _arranged(fields[names[0]])
    times = _times(fields)
    mapping = str(field.attrs.get("grid_mapping", "")).partition(":")[0].strip()
    crs = projection(variables[mapping].attrs) if mapping in variables else None
    quantity = Quantity.of(names[0], field.attrs, lambda: _minutes(fields))
    return make_frames(
        _dbz(field, quantity, path, kind),
        list(times),
        _grid(field, crs),
        source_quantity=quantity.name,
        zr=quantity.zr,
    )


def _dbz(field: xr.DataArray, quantity: Quantity, path: Path, kind: str) -> NDArray[np.float32]:
    if field.nbytes <= WHOLE_BYTES:
        return quantity.dbz(field.to_numpy())
    on_disk = FramesOnDisk(field.variable, quantity, path, refusing(kind))
    frames = max(1, CHUNK_BYTES // (4 * field[0].size))
    lazily: Callable[..., NDArray[np.float32]] = dask.array.from_array
    return lazily(on_disk, (frames, -1, -1), name=False)


@dataclass(frozen=True)
class FramesOnDisk:
    """Frames (time, y, x) in dBZ, read when they are asked for."""

    field: xr.Variable
    quantity: Quantity
    path: Path
    refusing: Refusing
    dtype = np.dtype(np.float32)
    ndim = 3

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W)."""
        return self.field.shape

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.float32]:
        def read(_: Path) -> NDArray[np.float32]:
            return self.quantity.dbz(self.field[key].to_numpy())

        return self.refusing(read)(self.path)


def axis_of(name: str, tags: Mapping[str, Any]) -> str | None:
    """Which of the axes time, y and x a coordinate is, if any."""
    said = {str(tags.get(key)).lower() for key in ("standard_name", "axis", "units")}
    for axis, words in AXES.items():
        if words & (said | {name.lower()}):
            return axis
    return None


def _decoded(variables: Variables, name: str) -> xr.Dataset:
    """A field and its coordinates, decoded, named time, y and x."""
    dims = [str(dim) for dim in variables[name].dims]
    wanted = [dim for dim in dims if dim in variables and variables[dim].ndim == 1]
    axes = {n: axis_of(n, variables[n].attrs) for n in wanted}
    if "time" not in axes.values():
        scalars = (n for n, v in variables.items() if v.size == 1)
        axes |= dict.fromkeys([n for n in scalars if _is_time(n, variables)][:1], "time")
    bounds = {str(variables[n].attrs.get("bounds")) for n in axes if axes[n] == "time"}
    kept = {n: variables[n] for n in variables if n == name or n in axes or n in bounds}
    decoded = xr.decode_cf(xr.Dataset(kept), decode_timedelta=False)
    return decoded.rename({n: axis for n, axis in axes.items() if axis})


def _is_time(name: str, variables: Variables) -> bool:
    return axis_of(name, variables[name].attrs) == "time"


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


def _minutes(fields: xr.Dataset) -> float:
    """How long each amount of rain took to fall: the time's bounds, else the step of time."""
    bounds = fields["time"].attrs.get("bounds", fields["time"].encoding.get("bounds"))
    if bounds in fields:
        spans = np.ptp(fields[bounds].to_numpy(), axis=-1)
    else:
        spans = np.sort(np.diff(_times(fields)))[:1]
    minutes = np.unique(spans / np.timedelta64(1, "m"))
    if minutes.size != 1 or not 0 < minutes[0] <= 1440:
        raise ReadError(f"expected amounts of one interval, found {minutes.tolist()} minutes")
    return float(minutes[0])


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

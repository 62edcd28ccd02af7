"""Forecasts that pysteps wrote with its netCDF exporter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.frames import Grid
from pipeline.reflectivity import ZR

QUANTITIES = {"precip_intensity": "mm h-1", "reflectivity": "dBZ"}
METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "km": 1000.0}
SINCE = re.compile(r"seconds since (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)")


class Export(NamedTuple):
    """A forecast as pysteps exported it, in this program's terms.

    Args:
        dbz: (lead_time, H, W) or (realization, lead_time, H, W), rows from north to south.
        issue_time: The export's start date, UTC.
        cadence: Step between lead times, and the first of them.
        grid: The pixels' places.
    """

    dbz: NDArray[np.floating]
    issue_time: np.datetime64
    cadence: np.timedelta64
    grid: Grid


def is_export(exported: xr.Dataset) -> bool:
    """Whether pysteps wrote it."""
    return "projection" in exported.attrs and {"time", "y", "x"} <= set(exported.dims)


def read_export(exported: xr.Dataset, path: Path, zr: ZR | None) -> Export:
    """What an export holds.

    Args:
        exported: The file, opened with its times not decoded.
        path: Where it lies, for messages.
        zr: Turns rain rates into reflectivity.

    Raises:
        ValueError: If it holds neither rain rate nor reflectivity, or rain rate but no `zr` is
            given, or its times or its grid cannot be read.
    """
    field = _field(exported, path)
    grid, upside_down = _grid(exported, path)
    values: NDArray[np.floating] = field.transpose("ens_number", "time", "y", "x").to_numpy()
    if upside_down:
        values = values[..., ::-1, :]
    if field.name == "precip_intensity":
        if zr is None:
            raise ValueError(f"{path}: rain rates become reflectivity by a Z–R relation; give one")
        values = zr.dbz(values)
    issue_time, cadence = _times(exported, path)
    dbz = values if field.attrs.get("ensemble") else values[0]
    return Export(dbz.astype(np.float32), issue_time, cadence, grid)


def _field(exported: xr.Dataset, path: Path) -> xr.DataArray:
    """(ens_number, time, y, x), its attribute `ensemble` true where the file has members."""
    for name, units in QUANTITIES.items():
        if name in exported and exported[name].attrs.get("units") == units:
            field = exported[name]
            ensemble = "ens_number" in field.dims
            whole = field if ensemble else field.expand_dims("ens_number")
            return whole.assign_attrs(ensemble=ensemble)
    raise ValueError(
        f"{path}: expected precip_intensity in mm h-1 or reflectivity in dBZ of a pysteps export, "
        f"found {sorted(map(str, exported.data_vars))}"
    )


def _times(exported: xr.Dataset, path: Path) -> tuple[np.datetime64, np.timedelta64]:
    units = str(exported["time"].attrs.get("units"))
    since = SINCE.match(units)
    if not since:
        raise ValueError(f"{path}: expected times in seconds since a start date, found {units!r}")
    seconds = exported["time"].to_numpy().astype(np.int64)
    if seconds.size == 0 or seconds[0] <= 0 or np.any(seconds != seconds[:1] * _counted(seconds)):
        raise ValueError(
            f"{path}: expected lead times at even steps from the first, found "
            f"{(seconds / 60).tolist()} minutes"
        )
    return np.datetime64(f"{since[1]}T{since[2]}", "ns"), np.timedelta64(int(seconds[0]), "s")


def _counted(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.arange(1, values.size + 1)


def _grid(exported: xr.Dataset, path: Path) -> tuple[Grid, bool]:
    """The grid, and whether rows go from south to north.

    Coordinates are stored in 32 bits, so even steps are restored between the first and the last.
    """
    axes = {}
    for name in ("x", "y"):
        units = str(exported[name].attrs.get("units", "m"))
        if units not in METRES:
            raise ValueError(f"{path}: expected {name} in m or km, found {units!r}")
        first, last = METRES[units] * exported[name].to_numpy()[[0, -1]].astype(np.float64)
        axes[name] = np.linspace(first, last, exported.sizes[name])
    upside_down = bool(axes["y"][0] < axes["y"][-1])
    north_first = axes["y"][::-1] if upside_down else axes["y"]
    try:
        crs = CRS.from_user_input(exported.attrs["projection"])
        return Grid(axes["x"], north_first, crs), upside_down
    except (CRSError, ValueError) as error:
        raise ValueError(f"{path}: expected the regular grid of a projection: {error}") from error

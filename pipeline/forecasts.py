"""Forecast files: netCDF-4 or zarr, by suffix."""

from __future__ import annotations

import os
import shutil
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.frames import Grid
from pipeline.packing import HIGHEST_DBZ, MISSING, SCALE
from pipeline.pysteps_export import is_export, read_export
from pipeline.reflectivity import NO_ECHO, ZR

# netCDF's library is not safe for threads, and xarray guards its values but not its attributes:
# threads take this around all they do with netCDF files
NETCDF = threading.RLock()
SUFFIXES = (".nc", ".zarr")
ENCODING = {"dtype": "int16", "scale_factor": SCALE, "_FillValue": MISSING}
REFLECTIVITY = {
    "standard_name": "equivalent_reflectivity_factor",
    "long_name": "forecast radar reflectivity",
    "units": "dBZ",
    "grid_mapping": "crs",
}
TIME_ENCODING = {"units": "seconds since 1970-01-01", "dtype": "int64"}


def make_forecast(
    dbz: NDArray[np.floating],
    issue_times: Sequence[np.datetime64],
    cadence: np.timedelta64,
    grid: Grid,
    zr: ZR | None,
    provenance: Mapping[str, str],
) -> xr.Dataset:
    """Forecasts as the contract's forecast file holds them.

    Args:
        dbz: (issue_time, lead_time, H, W), or (issue_time, realization, lead_time, H, W).
        issue_times: When each forecast was made, UTC.
        cadence: Step between lead times; the first lead is one step.
        grid: The pixels' places.
        zr: The product's Z–R relation, if it is known.
        provenance: Attributes: forecaster, checkpoint, store, code_version and the like.
    """
    ensemble = ("realization",) if dbz.ndim == 5 else ()
    dims = ("issue_time", *ensemble, "lead_time", "y", "x")
    issued = np.asarray(issue_times, "datetime64[ns]")
    steps = 1 + np.arange(dbz.shape[-3])
    relation = {"zr_a": zr.a, "zr_b": zr.b} if zr else {}
    forecast = xr.Dataset(
        {"reflectivity": (dims, np.clip(dbz, NO_ECHO, HIGHEST_DBZ), REFLECTIVITY)},
        _times(issued, steps, cadence) | grid.coordinates(),
        {"Conventions": "CF-1.11", **relation, **provenance},
    )
    if ensemble:
        forecast["realization"] = np.arange(dbz.shape[1])
        forecast["realization"].attrs["standard_name"] = "realization"
    return forecast


def _times(
    issued: NDArray[np.datetime64], steps: NDArray[np.int64], cadence: np.timedelta64
) -> dict[str, Any]:
    lead_minutes = steps * int(cadence / np.timedelta64(1, "m"))
    valid = issued[:, None] + steps * cadence
    return {
        "issue_time": ("issue_time", issued, {"standard_name": "forecast_reference_time"}),
        "lead_time": (
            "lead_time",
            lead_minutes,
            {"standard_name": "forecast_period", "units": "minutes"},
        ),
        "valid_time": (("issue_time", "lead_time"), valid, {"standard_name": "time"}),
    }


def write_forecast(path: Path, forecast: xr.Dataset) -> Path:
    """Write a forecast file; it appears whole or not at all.

    Raises:
        ValueError: If the suffix is neither .nc nor .zarr.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a forecast file ending in .nc or .zarr")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    times = dict.fromkeys(("issue_time", "valid_time"), TIME_ENCODING)
    if path.suffix == ".nc":
        packing = {**ENCODING, "zlib": True, "complevel": 1, "shuffle": True}
        forecast.to_netcdf(
            unfinished, engine="netcdf4", encoding={"reflectivity": packing, **times}
        )
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            encoding = {"reflectivity": ENCODING, **times}
            forecast.to_zarr(unfinished, mode="w", zarr_format=3, encoding=encoding)
        shutil.rmtree(path, ignore_errors=True)
    unfinished.replace(path)
    return path


def read_forecast(path: Path, zr: ZR | None = None) -> xr.Dataset:
    """Read a forecast file, or one that pysteps exported to netCDF.

    Args:
        path: The file.
        zr: Turns the rain rates of a pysteps export into reflectivity.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it holds no forecast, or rain rates and no `zr` is given.
    """
    with open_forecast(path, zr) as forecast:
        return forecast.load()


def open_forecast(path: Path, zr: ZR | None = None) -> xr.Dataset:
    """Open a forecast file to read parts of it; else as `read_forecast`."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no forecast file here")
    engine = "zarr" if path.suffix == ".zarr" else "netcdf4"
    try:
        forecast = xr.open_dataset(path, engine=engine, decode_timedelta=False, cache=False)
        foreign = is_export(forecast)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: expected a forecast file in netCDF-4 or zarr") from error
    if foreign:
        forecast.close()
        return _converted(path, zr)
    needed = {"issue_time", "lead_time", "y", "x"}
    missing = needed - set(forecast.dims) or {"reflectivity"} - set(forecast.data_vars)
    if missing:
        forecast.close()
        names = ", ".join(sorted(map(str, missing)))
        raise ValueError(f"{path}: expected a forecast file, found no {names}")
    return forecast


def _converted(path: Path, zr: ZR | None) -> xr.Dataset:
    with xr.open_dataset(path, engine="netcdf4", decode_times=False) as exported:
        dbz, issue_time, cadence, grid = read_export(exported, path, zr)
        provenance = {"source": str(exported.attrs.get("source", "pysteps"))}
    return make_forecast(dbz[None], [issue_time], cadence, grid, zr, provenance)

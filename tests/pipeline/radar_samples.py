"""One small good file of every format, written from known counts."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from PIL import Image
from pyproj import CRS

from pipeline.frames import Grid, make_frames
from pipeline.reflectivity import NO_ECHO, ZR

FMI_COMMENTS = {
    "obstime": "201609281445",
    "producttype": "CAPPI",
    "param": "CorrectedReflectivity",
    "type": "stereographic",
    "centrallongitude": "25",
    "centrallatitude": "90",
    "truelatitude": "60",
    "bottomleft": "18.6 57.93",
    "topright": "34.903 69.005",
}
MCH_COMMENT = "PRDT=AQC151351600 SCALE=mmh2LASSEN8bitmm_mn ACCUm=000005 DeltaT=000005"
KNMI_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "overview": {
        "hdftag_version_number": "3.5",
        "product_datetime_start": "26-AUG-2010;23:55:00.000",
        "product_datetime_end": "27-AUG-2010;00:00:00.000",
    },
    "image1": {"image_geo_parameter": "ACCUMULATED_PRECIPITATION_[MM]"},
    "image1/calibration": {
        "calibration_formulas": "GEO=0.01*PV+0.0",
        "calibration_missing_data": [65535],
        "calibration_out_of_image": [65534],
    },
    "geographic": {
        "geo_number_rows": [4],
        "geo_number_columns": [5],
        "geo_dim_pixel": "KM,KM",
        "geo_column_offset": [0.0],
        "geo_row_offset": [3650.0],
        "geo_pixel_size_x": [1.0],
        "geo_pixel_size_y": [-1.0],
    },
    "geographic/map_projection": {
        "projection_proj4_params": "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 "
        "+a=6378.137 +b=6356.752 +x_0=0 +y_0=0"
    },
}
BOM_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "precipitation": {
        "standard_name": "precipitation_amount",
        "units": "kg m-2",
        "_FillValue": np.array([-1], np.int16),
        "scale_factor": [0.05],
        "add_offset": [0.0],
    },
    "valid_time": {"units": "seconds since 1970-01-01 00:00:00 UTC"},
    "start_time": {"units": "seconds since 1970-01-01 00:00:00 UTC"},
    "x": {"units": "km"},
    "y": {"units": "km"},
    "proj": {
        "grid_mapping_name": "albers_conical_equal_area",
        "standard_parallel": [-18.0, -36.0],
        "longitude_of_central_meridian": [144.752],
        "latitude_of_projection_origin": [-37.852],
        "false_easting": [0.0],
        "false_northing": [0.0],
        "semi_major_axis": [6378137.0],
        "inverse_flattening": [298.257222],
    },
}
BOM_COUNTS = np.array([[0, 1, -1, 60, 0, 3]] * 4, np.int16)
KNMI_COUNTS = np.array([[0, 1, 65535, 65534, 171]] * 4, np.uint16)


def write_fmi(path: Path, **changes: str) -> Path:
    counts = np.arange(256, dtype=np.uint8).reshape(32, 8)
    comments = "".join(f"# {name} {text}\n" for name, text in (FMI_COMMENTS | changes).items())
    header = f"P5\n# projection radar {{\n{comments}# }}\n8 32\n255\n"
    path.write_bytes(gzip.compress(header.encode() + counts.tobytes()))
    return path


def write_mch(path: Path, comment: str = MCH_COMMENT, shape: tuple[int, int] = (640, 710)) -> Path:
    counts = np.resize(np.arange(256, dtype=np.uint8), shape)
    image = Image.fromarray(counts).convert("P")
    image.putpalette([value for level in range(256) for value in (level, 0, 255 - level)])
    image.save(path, "GIF", comment=comment.encode(), optimize=False)
    return path


def write_knmi(path: Path, **changes: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, tags in KNMI_ATTRIBUTES.items():
            group = file.require_group(name)
            for key, value in (tags | changes.get(name.rpartition("/")[2], {})).items():
                group.attrs[key] = np.bytes_(value) if isinstance(value, str) else value
        file["image1/image_data"] = KNMI_COUNTS
    return path


def write_bom(path: Path, labels: float = 0.25, **changes: dict[str, Any]) -> Path:
    """With x and y labelled `labels` km right of, and below, each pixel's north-west corner."""
    with h5py.File(path, "w") as file:
        file["precipitation"] = BOM_COUNTS
        file["x"] = np.arange(6) * 0.5 - 1.5 + labels
        file["y"] = 1.0 - np.arange(4) * 0.5 - labels
        file["start_time"], file["valid_time"] = 1604148000, 1604148600
        file["proj"] = np.int8(0)
        for name, tags in BOM_ATTRIBUTES.items():
            for key, value in (tags | changes.get(name, {})).items():
                file[name].attrs[key] = np.bytes_(value) if isinstance(value, str) else value
    return path


def write_cf(path: Path) -> Path:
    dbz = np.array([[[NO_ECHO, 0.5, np.nan], [-31.5, 60.25, NO_ECHO]]], np.float32)
    grid = Grid.from_corner((2, 3), -1500, 1000, (1000, 1000), CRS.from_epsg(3067))
    times = [np.datetime64("2026-06-01T12:06")]
    frames = make_frames(dbz, times, grid, source_quantity="made up", zr=ZR(200, 1.6))
    frames.to_netcdf(path)
    return path


def write_zarr(path: Path) -> Path:
    """The frames of `write_cf` as zarr in a zip."""
    frames = xr.load_dataset(write_cf(path.with_name(f"{path.name}.nc")))
    frames.to_zarr(path.with_name(f"{path.name}.zarr"), consolidated=False)
    zipped = shutil.make_archive(str(path), "zip", path.with_name(f"{path.name}.zarr"))
    return Path(zipped).rename(path)


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "fmi_pgm": write_fmi,
    "mch_gif": write_mch,
    "knmi_hdf5": write_knmi,
    "bom_netcdf": write_bom,
    "cf_netcdf": write_cf,
    "cf_zarr": write_zarr,
}

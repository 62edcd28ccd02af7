"""What a frame is: reflectivity in dBZ on one grid at one valid time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pipeline.reflectivity import ZR

METRES_PER_DEGREE = 111_194.9


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixel centres of a regular grid.

    Args:
        x: (W,) west to east, metres (degrees east for a geographic crs).
        y: (H,) north to south, metres (degrees north for a geographic crs).
        crs: The projection of x and y.

    Raises:
        ValueError: If x or y is not evenly spaced in that direction.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: CRS

    def __post_init__(self) -> None:
        for name, axis, sign in (("x", self.x, 1), ("y", self.y, -1)):
            steps = sign * np.diff(axis)
            if axis.ndim != 1 or axis.size < 2 or not np.all(np.isfinite(axis)):
                raise ValueError(f"grid axis {name}: expected at least 2 finite coordinates")
            if steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean():
                order = "west to east" if sign == 1 else "north to south"
                raise ValueError(f"grid axis {name}: expected even steps from {order}")

    @classmethod
    def of(cls, frames: xr.DataArray | xr.Dataset) -> Grid:
        """The grid that frames, a store or a forecast carry."""
        x: NDArray[np.float64] = frames["x"].to_numpy().astype(np.float64)
        y: NDArray[np.float64] = frames["y"].to_numpy().astype(np.float64)
        return cls(x, y, _parse_crs(frames["crs"].attrs["crs_wkt"]))

    @classmethod
    def from_corner(
        cls, shape: tuple[int, int], west: float, north: float, pixel: tuple[float, float], crs: CRS
    ) -> Grid:
        """A grid of `shape` (H, W) whose outer north-west corner is (west, north)."""
        x = west + pixel[0] * np.arange(0.5, shape[1], dtype=np.float64)
        y = north - pixel[1] * np.arange(0.5, shape[0], dtype=np.float64)
        return cls(x, y, crs)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.y.size, self.x.size

    @cached_property
    def pixel_m(self) -> float:
        """Side of a pixel in metres: the mean of both axes, at the grid's middle latitude."""
        step = np.array([np.ptp(self.x) / (self.x.size - 1), np.ptp(self.y) / (self.y.size - 1)])
        if self.crs.is_geographic:
            step *= METRES_PER_DEGREE * np.array([np.cos(np.radians(self.y.mean())), 1.0])
        return float(step.mean())

    def longitude_latitude(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Degrees east and north (WGS 84) of every pixel centre, each (H, W)."""
        to_wgs84 = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
        longitude, latitude = to_wgs84.transform(*np.meshgrid(self.x, self.y))
        return longitude, latitude

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        wkt = self.crs.to_wkt()
        with warnings.catch_warnings():
            # some projections lose a parameter in CF's own terms; crs_wkt holds them all
            warnings.simplefilter("ignore", UserWarning)
            return {**self.crs.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt}

    def coordinates(self) -> dict[str, xr.Variable]:
        """The CF coordinates x, y and the grid mapping crs."""
        if self.crs.is_geographic:
            names, units = ("longitude", "latitude"), ("degrees_east", "degrees_north")
        else:
            names, units = ("projection_x_coordinate", "projection_y_coordinate"), ("m", "m")
        return {
            "x": xr.Variable(
                "x", self.x, {"standard_name": names[0], "units": units[0], "axis": "X"}
            ),
            "y": xr.Variable(
                "y", self.y, {"standard_name": names[1], "units": units[1], "axis": "Y"}
            ),
            "crs": xr.Variable((), np.int32(0), self._mapping),
        }

    def difference(self, other: Grid) -> str | None:
        """What sets the other grid apart, in a few words with the numbers; None if they agree."""
        if self.shape != other.shape:
            found = " × ".join(map(str, other.shape))
            return f"{self.shape[0]} × {self.shape[1]} pixels, found {found}"
        for name in ("x", "y"):
            here, there = getattr(self, name), getattr(other, name)
            if np.abs(here - there).max() > 0.01 * abs(here[1] - here[0]):
                found = f"{there[0]:.6g} to {there[-1]:.6g}"
                return f"{name} from {here[0]:.6g} to {here[-1]:.6g}, found {found}"
        if self.crs is not other.crs and self.crs != other.crs:
            return f"projection {_name(self.crs)}, found {_name(other.crs)}"
        return None


def _name(crs: CRS) -> str:
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else "geographic"
    return f"{crs.name} ({method})"


@lru_cache(maxsize=64)
def _parse_crs(wkt: str) -> CRS:
    return CRS.from_wkt(wkt)


def make_frames(
    dbz: NDArray[np.floating],
    valid_times: Sequence[np.datetime64],
    grid: Grid,
    *,
    source_quantity: str,
    zr: ZR,
) -> xr.DataArray:
    """Frames as every reader returns them.

    Args:
        dbz: (T, H, W) reflectivity, NaN where missing, NO_ECHO where dry.
        valid_times: T times, UTC.
        grid: The pixels' places, (H, W).
        source_quantity: What the file holds, with its unit, e.g. "rain rate, mm/h".
        zr: The relation by which rain became reflectivity, or by which it will become rain.

    Returns:
        "reflectivity" (time, y, x) float32 dBZ with coordinates time, y, x and crs.

    Raises:
        ValueError: If the shape does not fit the times and the grid.
    """
    expected = (len(valid_times), *grid.shape)
    if dbz.shape != expected:
        raise ValueError(f"frames: expected shape {expected}, found {dbz.shape}")
    time = xr.Variable("time", np.asarray(valid_times, "datetime64[ns]"), {"standard_name": "time"})
    attributes = {
        "standard_name": "equivalent_reflectivity_factor",
        "long_name": "radar reflectivity",
        "units": "dBZ",
        "grid_mapping": "crs",
        "source_quantity": source_quantity,
        "zr_a": zr.a,
        "zr_b": zr.b,
    }
    return xr.DataArray(
        dbz.astype(np.float32, copy=False),
        {"time": time, **grid.coordinates()},
        ("time", "y", "x"),
        "reflectivity",
        attributes,
    )


def zr_of(frames: xr.DataArray | xr.Dataset) -> ZR:
    """The Z–R relation that frames or a store carry."""
    return ZR(float(frames.attrs["zr_a"]), float(frames.attrs["zr_b"]))

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

from pipeline.frames import Grid, make_frames, zr_of
from pipeline.readers import READERS, sniff
from pipeline.reflectivity import NO_ECHO, ZR

read = READERS["cf_netcdf"]
DBZ = np.array([[NO_ECHO, 0.5, np.nan], [-31.5, 60.25, 12.0]], np.float32)


def frames_on(grid: Grid, count: int = 2) -> xr.DataArray:
    times = np.datetime64("2026-06-01T12:06") + np.arange(count) * np.timedelta64(6, "m")
    dbz = np.stack([DBZ - shift for shift in range(count)]).clip(NO_ECHO)
    return make_frames(dbz, list(times), grid, source_quantity="made up", zr=ZR(250, 1.2))


@pytest.fixture
def frames() -> xr.DataArray:
    return frames_on(Grid.from_corner((2, 3), 3e5, 7e6, (1000, 1000), CRS.from_epsg(3067)))


@pytest.mark.parametrize("epsg", [3067, 4326, 21781, 3031])
def test_frames_written_come_back_the_same(epsg: int, tmp_path: Path) -> None:
    pixel = 0.01 if epsg == 4326 else 1000
    grid = Grid.from_corner((2, 3), 10, 50, (pixel, pixel), CRS.from_epsg(epsg))
    written = frames_on(grid)
    written.to_netcdf(tmp_path / "file.nc")
    found = read(tmp_path / "file.nc")
    xr.testing.assert_equal(found, written)
    assert grid.difference(Grid.of(found)) is None
    assert zr_of(found) == zr_of(written)
    assert found.attrs == written.attrs


def test_packed_integers_with_a_fill_value_come_back(frames: xr.DataArray, tmp_path: Path) -> None:
    packing = {"dtype": "int16", "scale_factor": 0.25, "_FillValue": -32768, "zlib": True}
    frames.to_netcdf(tmp_path / "file.nc", encoding={"reflectivity": packing})
    np.testing.assert_array_equal(read(tmp_path / "file.nc"), frames)


def test_rows_from_south_to_north_are_turned(frames: xr.DataArray, tmp_path: Path) -> None:
    frames.isel(y=slice(None, None, -1)).to_netcdf(tmp_path / "file.nc")
    xr.testing.assert_equal(read(tmp_path / "file.nc"), frames)


def test_any_order_of_dimensions_will_do(frames: xr.DataArray, tmp_path: Path) -> None:
    frames.transpose("x", "time", "y").to_netcdf(tmp_path / "file.nc")
    xr.testing.assert_equal(read(tmp_path / "file.nc"), frames)


def test_kilometres_become_metres(frames: xr.DataArray, tmp_path: Path) -> None:
    axes = {axis: (frames[axis] / 1000).assign_attrs(units="km") for axis in ("x", "y")}
    frames.assign_coords(axes).to_netcdf(tmp_path / "file.nc")
    np.testing.assert_allclose(read(tmp_path / "file.nc").x, frames.x)


def test_a_single_frame_needs_no_time_dimension(frames: xr.DataArray, tmp_path: Path) -> None:
    frames.isel(time=1).to_netcdf(tmp_path / "file.nc")
    xr.testing.assert_equal(read(tmp_path / "file.nc"), frames.isel(time=[1]))


def test_a_degree_grid_needs_no_grid_mapping(tmp_path: Path) -> None:
    axes = {
        "lat": ("lat", [50.0, 50.5], {"units": "degrees_north"}),
        "lon": ("lon", [4.0, 4.5, 5.0], {"units": "degrees_east"}),
        "time": np.datetime64("2026-06-01T12:06", "ns"),
    }
    tags = {"standard_name": "equivalent_reflectivity_factor", "units": "dBZ"}
    xr.DataArray(DBZ, axes, ("lat", "lon"), "DBZH", tags).to_netcdf(tmp_path / "file.nc")
    found = read(tmp_path / "file.nc")
    assert sniff(tmp_path / "file.nc") == "cf_netcdf"
    np.testing.assert_array_equal(found[0], DBZ[::-1])
    np.testing.assert_array_equal(found.y, [50.5, 50.0])
    assert Grid.of(found).crs == CRS.from_epsg(4326)
    assert zr_of(found) == ZR(200, 1.6)


def test_cf_parameters_do_without_well_known_text(frames: xr.DataArray, tmp_path: Path) -> None:
    parameters = {
        name: value
        for name, value in frames.crs.attrs.items()
        if name not in ("crs_wkt", "spatial_ref")
    }
    crs = frames.crs.copy()
    crs.attrs = parameters
    frames.assign_coords(crs=crs).to_netcdf(tmp_path / "file.nc")
    found, wanted = (
        Grid.of(each).longitude_latitude() for each in (read(tmp_path / "file.nc"), frames)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_what_lies_at_or_below_the_floor_is_no_echo(frames: xr.DataArray, tmp_path: Path) -> None:
    low = frames.copy()
    low.to_numpy()[frames == NO_ECHO] = -np.inf
    low.to_netcdf(tmp_path / "file.nc")
    np.testing.assert_array_equal(read(tmp_path / "file.nc"), frames)


def refused(frames: xr.DataArray | xr.Dataset, path: Path, reason: str) -> None:
    frames.to_netcdf(path)
    with pytest.raises(ValueError, match=reason) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: expected")


def test_another_quantity_or_unit_is_refused(frames: xr.DataArray, tmp_path: Path) -> None:
    refused(frames.assign_attrs(units="m s-1"), tmp_path / "1.nc", "'dBZ', found 'm s-1'")
    speed = frames.assign_attrs(standard_name="radial_velocity").rename("velocity")
    refused(speed, tmp_path / "2.nc", "expected one variable .* found none")
    both = xr.Dataset({"DBZH": frames, "TH": frames})
    refused(both, tmp_path / "3.nc", "expected one variable .*'DBZH', 'TH'")
    with pytest.raises(ValueError, match="found none of them"):
        sniff(tmp_path / "2.nc")


def test_what_has_no_place_or_time_is_refused(frames: xr.DataArray, tmp_path: Path) -> None:
    refused(frames.drop_vars("x"), tmp_path / "1.nc", "dimensions time, y, x with coordinates")
    refused(frames.isel(time=0).drop_vars("time"), tmp_path / "2.nc", "expected a time")
    bare = frames.drop_vars("crs").copy(deep=True)
    del bare.attrs["grid_mapping"]
    refused(bare, tmp_path / "3.nc", "expected a grid_mapping")
    gap = frames.assign_coords(x=("x", [0.0, 1.0, 7.0], frames.x.attrs))
    refused(gap, tmp_path / "4.nc", "even steps")
    infinite = frames.copy()
    infinite[0, 0, 0] = np.inf
    refused(infinite, tmp_path / "5.nc", "found infinity")


def test_netcdf_classic_is_refused_with_its_cure(frames: xr.DataArray, tmp_path: Path) -> None:
    frames.to_netcdf(tmp_path / "file.nc", format="NETCDF3_64BIT")
    with pytest.raises(ValueError, match="nccopy -k nc4"):
        read(tmp_path / "file.nc")

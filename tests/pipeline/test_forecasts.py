from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.forecasts import make_forecast, read_forecast, write_forecast
from pipeline.frames import Grid
from pipeline.reflectivity import NO_ECHO, ZR

ISSUED = np.array(["2020-01-01T00:00", "2020-01-01T00:06"], "datetime64[ns]")


def forecast(grid: Grid, members: int = 0) -> xr.Dataset:
    shape = (2, *([members] if members else []), 3, *grid.shape)
    dbz = np.random.default_rng(0).uniform(0, 50, shape).astype(np.float32)
    dbz[..., 0, :] = np.nan
    dbz[..., 1, :] = NO_ECHO
    provenance = {"forecaster": "persistence", "store": "s.zarr"}
    return make_forecast(dbz, list(ISSUED), np.timedelta64(6, "m"), grid, ZR(200, 1.6), provenance)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("members", [0, 2])
def test_a_forecast_file_returns_what_was_written(
    tmp_path: Path, small_grid: Grid, suffix: str, members: int
) -> None:
    written = forecast(small_grid, members)
    path = write_forecast(tmp_path / f"f{suffix}", written)
    write_forecast(path, written)
    found = read_forecast(path)
    np.testing.assert_allclose(found["reflectivity"], written["reflectivity"], atol=0.0051)
    assert found["lead_time"].to_numpy().tolist() == [6, 12, 18]
    assert found["lead_time"].attrs["units"] == "minutes"
    assert found["valid_time"].to_numpy()[1, 2] == np.datetime64("2020-01-01T00:24")
    assert found.attrs["forecaster"] == "persistence"
    assert ("realization" in found.dims) == bool(members)
    assert small_grid.difference(Grid.of(found)) is None
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_no_forecast_file_gets_a_sentence(tmp_path: Path, small_grid: Grid) -> None:
    with pytest.raises(ValueError, match=r"expected a forecast file ending in \.nc or \.zarr"):
        write_forecast(tmp_path / "f.grib", forecast(small_grid))
    with pytest.raises(FileNotFoundError, match="no forecast file here"):
        read_forecast(tmp_path / "f.nc")
    (tmp_path / "f.nc").write_text("rain tomorrow")
    with pytest.raises(ValueError, match="expected a forecast file in netCDF-4 or zarr"):
        read_forecast(tmp_path / "f.nc")
    xr.Dataset({"a": ("b", [1])}).to_netcdf(tmp_path / "g.nc")
    with pytest.raises(ValueError, match="found no issue_time, lead_time, x, y"):
        read_forecast(tmp_path / "g.nc")

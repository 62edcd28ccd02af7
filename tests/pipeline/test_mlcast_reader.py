from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

from pipeline.frames import Grid, make_frames, zr_of
from pipeline.ingest import ingest
from pipeline.readers import READERS, cf, is_archive, sniff
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store

read = READERS["cf_zarr"]
TIMES = np.datetime64("2026-06-01T12:00", "ns") + np.arange(4) * np.timedelta64(10, "m")
RATE = (
    np.array([[0, 0.25, np.nan], [1.5, 36.0, 120.0]])[None]
    * np.array([1, 0.5, 2, 1])[:, None, None]
)
ZRS = ZR(300, 1.4)


def grid() -> Grid:
    return Grid.from_corner((2, 3), 3e5, 7e6, (1000, 1000), CRS.from_epsg(3067))


def archive(factor: float = 1.0, **tags: Any) -> xr.Dataset:
    """Rain of `RATE` mm/h times `factor`, said to be what the tags tell."""
    said = {"standard_name": "rainfall_flux", "units": "mm/h", "zr_a": 300.0, "zr_b": 1.4}
    field = xr.DataArray(
        RATE * factor,
        {"time": ("time", TIMES, {"standard_name": "time"}), **grid().coordinates()},
        ("time", "y", "x"),
        attrs={**said, "grid_mapping": "crs", **tags},
    )
    return xr.Dataset({"rain": field})


def written(dataset: xr.Dataset, path: Path, **how: Any) -> Path:
    dataset.to_zarr(path, consolidated=False, **how)
    return path


def expected() -> xr.DataArray:
    dbz = ZRS.dbz(RATE).astype(np.float32)
    return make_frames(dbz, list(TIMES), grid(), source_quantity="", zr=ZRS)


def alike(found: xr.DataArray) -> None:
    xr.testing.assert_allclose(found, expected(), rtol=1e-6)
    np.testing.assert_array_equal(found == NO_ECHO, RATE == 0)
    assert grid().difference(Grid.of(found)) is None


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_folder_is_one_file(zarr_format: int, tmp_path: Path) -> None:
    path = written(archive(), tmp_path / "a", zarr_format=zarr_format)
    assert is_archive(path)
    assert sniff(path) == "cf_zarr"
    alike(read(path))
    assert zr_of(read(path)) == ZRS
    assert read(path).attrs["source_quantity"] == "rainfall flux, mm/h"


@pytest.mark.parametrize(
    ("standard_name", "units", "factor"),
    [
        ("rainfall_flux", "kg m-2 h-1", 1),
        ("rainfall_flux", "kg m-2 s-1", 1 / 3600),
        ("precipitation_flux", "kg m**-2 s**-1", 1 / 3600),
        ("precipitation_flux", "kg/m^2/s", 1 / 3600),
        ("rainfall_rate", "mm h-1", 1),
        ("rainfall_rate", "mm/hr", 1),
        ("rainfall_rate", "m s-1", 1 / 3.6e6),
        ("lwe_precipitation_rate", "mm day-1", 24),
        ("rainfall_amount", "kg m-2", 1 / 6),
        ("precipitation_amount", "mm", 1 / 6),
        ("lwe_thickness_of_precipitation_amount", "m", 1 / 6000),
    ],
)
def test_rain_in_any_known_unit_is_the_same_rain(
    standard_name: str, units: str, factor: float, tmp_path: Path
) -> None:
    said = archive(factor, standard_name=standard_name, units=units)
    alike(read(written(said, tmp_path / "a.zarr")))
    said.to_netcdf(tmp_path / "a.nc")
    assert sniff(tmp_path / "a.nc") == "cf_netcdf"
    alike(READERS["cf_netcdf"](tmp_path / "a.nc"))


def with_bounds(minutes: list[int]) -> xr.Dataset:
    """Amounts of which each took so many minutes."""
    said = archive(0.5, standard_name="rainfall_amount", units="mm").isel(time=slice(len(minutes)))
    spans = np.array(minutes) * np.timedelta64(1, "m")
    said["span"] = (("time", "n"), np.stack([TIMES[: len(spans)] - spans, TIMES[: len(spans)]], 1))
    said["time"].attrs["bounds"] = "span"
    return said


def test_the_bounds_of_time_say_how_long_an_amount_took(tmp_path: Path) -> None:
    alike(read(written(with_bounds([30] * 4), tmp_path / "a.zarr")))
    (only,) = read(written(with_bounds([30]), tmp_path / "b.zarr"))
    xr.testing.assert_allclose(only, expected()[0], rtol=1e-6)


def refused(dataset: xr.Dataset, path: Path, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        read(written(dataset, path))
    assert str(refusal.value).startswith(f"{path}: expected")


def test_what_cannot_be_understood_is_refused(tmp_path: Path) -> None:
    refused(archive(units="in/h"), tmp_path / "1", "rain in a unit such as .*, found 'in/h'")
    refused(archive(units=""), tmp_path / "2", "found ''")
    refused(archive(-1), tmp_path / "3", "rain of 0 or more, found -240 mm/h; .*_FillValue")
    infinite = archive()
    infinite.rain[3, 1, 1] = np.inf
    refused(infinite, tmp_path / "4", "expected finite numbers, found infinity")
    amount = archive(standard_name="rainfall_amount", units="mm")
    refused(amount.isel(time=[0]), tmp_path / "5", r"amounts of one interval, found \[\] minutes")
    refused(with_bounds([5, 5, 5, 10]), tmp_path / "6", r"one interval, found \[5.0, 10.0\]")
    refused(amount.assign(more=amount.rain), tmp_path / "7", "one variable .*'more', 'rain'")
    refused(archive(standard_name="air_temperature"), tmp_path / "8", "found none")
    assert not is_archive(tmp_path)
    with pytest.raises(ValueError, match=r"expected one of the formats .* found none of them"):
        sniff(tmp_path)


def test_reflectivity_goes_before_rain(tmp_path: Path) -> None:
    both = archive(7.0).assign(dbz=expected().drop_vars("crs").variable)
    alike(read(written(both, tmp_path / "a.zarr")))


def test_a_store_is_no_archive(small_grid: Grid, tmp_path: Path) -> None:
    cadence = np.timedelta64(5, "m")
    Store.create(tmp_path / "store", small_grid, ZRS, product="p", cadence=cadence)
    with pytest.raises(ValueError, match="found a store; export it with `nowcast export`"):
        read(tmp_path / "store")


@pytest.mark.parametrize("suffix", ["zarr", "nc"])
def test_frames_of_a_long_archive_are_read_when_they_are_asked_for(
    suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cf, "WHOLE_BYTES", 100)
    monkeypatch.setattr(cf, "CHUNK_BYTES", 48)
    path = tmp_path / f"a.{suffix}"
    south_up = archive().isel(y=slice(None, None, -1)).transpose("x", "time", "y")
    written(south_up, path) if suffix == "zarr" else south_up.to_netcdf(path)
    frames = READERS[sniff(path)](path)
    assert frames.chunks == ((2, 2), (2,), (3,))
    alike(frames)
    np.testing.assert_allclose(frames[2], expected()[2], rtol=1e-6)


def test_a_damaged_frame_of_a_long_archive_is_refused_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cf, "WHOLE_BYTES", 100)
    monkeypatch.setattr(cf, "CHUNK_BYTES", 24)
    path = written(archive(), tmp_path / "a", encoding={"rain": {"chunks": (1, 2, 3)}})
    (path / "rain/c/3/0/0").write_bytes(b"no zstd")
    frames = read(path)
    np.testing.assert_allclose(frames[:3], expected()[:3], rtol=1e-6)
    with pytest.raises(ValueError, match=f"^{path}: expected a CF zarr archive .*damaged"):
        frames[3].to_numpy()


def test_an_archive_is_ingested_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = written(archive(), tmp_path / "a.zarr")
    report = ingest([path], tmp_path / "whole")
    monkeypatch.setattr(cf, "WHOLE_BYTES", 100)
    monkeypatch.setattr(cf, "CHUNK_BYTES", 24)
    again = ingest([path], tmp_path / "pieces")
    whole, pieces = Store.open(tmp_path / "whole"), Store.open(tmp_path / "pieces")
    assert not report.refused + again.refused
    assert whole.observed.sum() == 4
    assert pieces.fingerprint() == whole.fingerprint()
    assert whole.cadence == np.timedelta64(10, "m")


def test_an_archive_of_a_product_has_its_own_reader(tmp_path: Path) -> None:
    path = written(archive(), tmp_path / "a.zarr", zarr_format=3)
    assert ingest([path], tmp_path / "s.zarr", product="fmi").frames == {"observed": 4}
    assert Store.open(tmp_path / "s.zarr").product == "fmi"
    assert ingest([path], tmp_path / "s.zarr").frames == {"unchanged": 4}

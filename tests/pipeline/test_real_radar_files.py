from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image
from pyproj import Proj, Transformer

from pipeline.frames import Grid, zr_of
from pipeline.readers import READERS, sniff
from pipeline.reflectivity import NO_ECHO

pytestmark = pytest.mark.real

Rates = NDArray[np.float64]


def fmi_rates(path: Path) -> Rates:
    counts = np.frombuffer(gzip.decompress(path.read_bytes())[-1226 * 760 :], np.uint8)
    z = 10 ** ((counts.astype(float) - 64) / 20)
    rates = np.where(counts == 0, 0, (z / 223) ** (1 / 1.53))
    return np.where(counts == 255, np.nan, rates).reshape(1226, 760)


def mch_rates(path: Path) -> Rates:
    index = np.asarray(Image.open(path)).astype(float)
    rates = 12 * (10 ** ((index - 71.5) / 20) / 316) ** (1 / 1.5)
    rates[(index <= 1) | (index > 250)] = 0
    return np.where(index == 255, np.nan, rates)


def knmi_rates(path: Path) -> Rates:
    with h5py.File(path) as file:
        counts = file["image1/image_data"][()].astype(float)
    return np.where(counts == 65535, np.nan, counts * 0.01 * 12)


def bom_rates(path: Path) -> Rates:
    with h5py.File(path) as file:
        counts = file["precipitation"][()].astype(float)
        fill = file["precipitation"].attrs["_FillValue"][0]
        hours = (file["valid_time"][()] - file["start_time"][()]) / 3600
    return np.where(counts == fill, np.nan, counts * 0.05 / hours)


class Event(NamedTuple):
    """What is on record of one folder.

    Shares are percentages, over all frames and then, where on record, least and most of a frame:
    missing of all pixels; wet (above 0.1 mm/h) and heavy (above 5 mm/h) of those not missing.
    """

    reader: str
    folder: str
    rates: Callable[[Path], Rates]
    period: tuple[str, str, int, int]
    largest: float
    missing: tuple[float, ...]
    wet: tuple[float, float, float]
    heavy: float


EVENTS = [
    Event(
        "fmi_pgm", "fmi_pgm/20160928", fmi_rates,
        ("2016-09-28T14:45", "2016-09-28T18:00", 40, 5),
        167.2, (24.3,), (30.3, 28.3, 31.0), 0.25,
    ),
    Event(
        "mch_gif", "mch_gif/20150515", mch_rates,
        ("2015-05-15T15:45", "2015-05-15T19:00", 40, 5),
        115.5, (30.9, 30.8, 33.6), (17.1, 13.0, 24.6), 1.3,
    ),
    Event(
        "mch_gif", "mch_gif/20170131", mch_rates,
        ("2017-01-31T09:45", "2017-01-31T13:00", 40, 5),
        29.0, (28.4,), (20.7, 17.8, 23.8), 0.6,
    ),
    Event(
        "knmi_hdf5", "knmi_hdf5/20100826", knmi_rates,
        ("2010-08-26T00:00", "2010-08-26T05:30", 67, 5),
        20.5, (74.4,), (52.2, 43.4, 65.5), 0.34,
    ),
    Event(
        "bom_netcdf", "bom_netcdf/melbourne_20180616", bom_rates,
        ("2018-06-16T10:00", "2018-06-16T14:00", 41, 6),
        53.0, (0, 0, 0), (23.2, 10.2, 41.2), 2.4,
    ),
    Event(
        "bom_netcdf", "bom_netcdf/mtstapylton_20201031", bom_rates,
        ("2020-10-31T12:00", "2020-10-31T15:50", 24, 10),
        27.0, (0,), (2.9, 0.6, 6.6), 0.09,
    ),
]  # fmt: skip


def paths(root: Path, folder: str) -> list[Path]:
    return sorted(path for path in (root / "radar" / folder).iterdir() if path.is_file())


@pytest.fixture(scope="module", params=EVENTS, ids=lambda event: event.folder)
def event(request: pytest.FixtureRequest) -> Event:
    return request.param


@pytest.fixture(scope="module")
def frames(event: Event, data_dir: Path) -> xr.DataArray:
    each = [READERS[event.reader](path) for path in paths(data_dir, event.folder)]
    return xr.concat(each, "time", coords="minimal", compat="override", join="override")


def test_every_file_is_recognised(event: Event, data_dir: Path) -> None:
    assert {sniff(path) for path in paths(data_dir, event.folder)} == {event.reader}


def test_times_run_from_first_to_last_at_the_cadence(event: Event, frames: xr.DataArray) -> None:
    first, last, count, minutes = event.period
    times = frames.time.to_numpy()
    wanted = np.datetime64(first, "ns") + np.arange(count) * np.timedelta64(minutes, "m")
    np.testing.assert_array_equal(times, wanted)
    assert wanted[-1] == np.datetime64(last)


def test_times_in_the_files_agree_with_their_names(
    event: Event, frames: xr.DataArray, data_dir: Path
) -> None:
    forms = {
        "fmi_pgm": (r"^(\d{12})", "%Y%m%d%H%M"),
        "mch_gif": (r"AQC(\d{9})", "%y%j%H%M"),
        "knmi_hdf5": (r"(\d{12})\.h5", "%Y%m%d%H%M"),
        "bom_netcdf": (r"_(\d{8}_\d{4})00", "%Y%m%d_%H%M"),
    }
    pattern, form = forms[event.reader]
    stamps = frames.time.dt.strftime(form).values
    for path, stamp in zip(paths(data_dir, event.folder), stamps, strict=True):
        match = re.search(pattern, path.name)
        assert match is not None
        assert match[1] == stamp


def test_every_pixel_is_the_provider_s_rain_rate(
    event: Event, frames: xr.DataArray, data_dir: Path
) -> None:
    for path, frame in list(zip(paths(data_dir, event.folder), frames, strict=True))[::3]:
        wanted = event.rates(path)
        found = zr_of(frame).rain_rate(frame.to_numpy().astype(np.float64))
        np.testing.assert_allclose(found, wanted, rtol=3e-6)
        np.testing.assert_array_equal(frame == NO_ECHO, wanted == 0)


def test_range_and_shares_are_those_on_record(event: Event, frames: xr.DataArray) -> None:
    rates = zr_of(frames).rain_rate(frames.to_numpy())
    known = ~np.isnan(rates)
    assert np.nanmin(rates) == 0
    assert np.nanmax(rates) == pytest.approx(event.largest, abs=0.05)
    check_shares(~known, np.ones_like(known), event.missing)
    check_shares(rates > 0.1, known, event.wet)
    check_shares(rates > 5 + 1e-4, known, (event.heavy,))


def check_shares(
    where: NDArray[np.bool], among: NDArray[np.bool], wanted: tuple[float, ...]
) -> None:
    frames = where.sum((1, 2)) / among.sum((1, 2))
    found = np.array([where.sum() / among.sum(), frames.min(), frames.max()])[: len(wanted)]
    np.testing.assert_allclose(100 * found, wanted, atol=0.051)


def grid_of(event: Event, root: Path) -> Grid:
    return Grid.of(READERS[event.reader](paths(root, event.folder)[0]))


def pixels_off(grid: Grid, longitude: float, latitude: float, corner: str) -> float:
    """Distance in pixels from an outer corner of the grid to a place on the ground."""
    half = grid.pixel_m / 2
    x = grid.x[-1] + half if "east" in corner else grid.x[0] - half
    y = grid.y[0] + half if "north" in corner else grid.y[-1] - half
    to_grid = Transformer.from_crs(grid.crs.geodetic_crs, grid.crs, always_xy=True)
    there = to_grid.transform(longitude, latitude)
    return float(np.hypot(there[0] - x, there[1] - y)) / grid.pixel_m


def test_fmi_corners_and_pixel_sizes_agree_with_the_header(data_dir: Path) -> None:
    grid = grid_of(EVENTS[0], data_dir)
    assert pixels_off(grid, 18.6, 57.93, "south-west") < 0.02
    assert pixels_off(grid, 34.903, 69.005, "north-east") < 0.02
    sizes = grid.x[1] - grid.x[0], grid.y[0] - grid.y[1]
    np.testing.assert_allclose(sizes, (999.674053, 999.62859), atol=1e-5)


def test_knmi_corners_agree_with_the_product_s(data_dir: Path) -> None:
    with h5py.File(paths(data_dir, EVENTS[3].folder)[0]) as file:
        corners = file["geographic"].attrs["geo_product_corners"].reshape(4, 2)
    grid = grid_of(EVENTS[3], data_dir)
    names = ("south-west", "north-west", "north-east", "south-east")
    for name, corner in zip(names, corners, strict=True):
        assert pixels_off(grid, *map(float, corner), name) < 0.06, name


def test_mch_lies_on_the_swiss_grid_with_bern_at_600_200(data_dir: Path) -> None:
    grid = grid_of(EVENTS[1], data_dir)
    assert (grid.x[0] - 500, grid.x[-1] + 500) == (255_000, 965_000)
    assert (grid.y[-1] - 500, grid.y[0] + 500) == (-160_000, 480_000)
    bern = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(7.43864, 46.95108)
    np.testing.assert_allclose(bern, (600_000, 200_000), atol=5)


@pytest.mark.parametrize("number", [4, 5])
def test_bom_is_centred_on_its_radar(number: int, data_dir: Path) -> None:
    event = EVENTS[number]
    with h5py.File(paths(data_dir, event.folder)[0]) as file:
        tags = dict(file["proj"].attrs)
    names = ("longitude_of_central_meridian", "latitude_of_projection_origin")
    radar = [float(tags[name][0]) for name in names]
    grid = grid_of(event, data_dir)
    assert Proj(grid.crs)(*radar) == pytest.approx((0, 0), abs=1)
    assert (grid.x.mean(), grid.y.mean()) == pytest.approx((0, 0), abs=1e-6)
    assert np.ptp(grid.x) + 500 == pytest.approx(256_000)
    assert grid.crs.coordinate_operation.method_name == "Albers Equal Area"


@pytest.mark.parametrize("number", [4, 5])
def test_bom_reports_rain_up_to_the_corners(number: int, data_dir: Path) -> None:
    grid = grid_of(EVENTS[number], data_dir)
    distance = np.hypot(grid.x, grid.y[:, np.newaxis])
    rates = [bom_rates(path) for path in paths(data_dir, EVENTS[number].folder)]
    ever_wet = (np.array(rates) > 0).any(0)
    assert distance[ever_wet].max() > 0.99 * distance.max()
    assert ever_wet[distance > 152_000].mean() > 0.2


def test_other_radar_formats_are_not_taken_for_one_of_ours(data_dir: Path) -> None:
    strangers = [
        path
        for folder in ("polar", "opera_odim", "dwd_dx", "dwd_radolan", "openmrg_netcdf")
        for path in sorted((data_dir / "radar" / folder).rglob("*.*"))[::9]
        if path.is_file()
    ]
    assert len(strangers) > 5
    for path in strangers:
        for read in READERS.values():
            with pytest.raises(ValueError, match="expected"):
                read(path)

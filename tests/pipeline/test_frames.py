from __future__ import annotations

import numpy as np
import pytest
from pyproj import CRS

from pipeline.frames import Grid, make_frames, zr_of
from pipeline.reflectivity import NO_ECHO, ZR

LATLON = CRS.from_epsg(4326)


def test_no_echo_is_no_rain_and_missing_stays_missing() -> None:
    rate = ZR(200, 1.6).rain_rate(np.array([NO_ECHO, np.nan, 23.0]))
    assert rate[0] == 0
    assert np.isnan(rate[1])
    assert rate[2] == pytest.approx((10**2.3 / 200) ** (1 / 1.6))


@pytest.mark.parametrize("zr", [ZR(200, 1.6), ZR(223, 1.53), ZR(316, 1.5)])
def test_rain_rate_and_reflectivity_are_inverse(zr: ZR) -> None:
    rate = np.geomspace(0.01, 200, 50)
    np.testing.assert_allclose(zr.rain_rate(zr.dbz(rate)), rate, rtol=1e-12)
    np.testing.assert_array_equal(zr.dbz(np.array([0.0, 1e-9])), NO_ECHO)


def test_a_relation_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a > 0 and b > 0, found a=0"):
        ZR(0, 1.6)


def test_pixel_centres_lie_half_a_pixel_from_the_corner(small_grid: Grid) -> None:
    assert small_grid.shape == (48, 60)
    assert small_grid.x[0] == -29_500
    assert small_grid.y[[0, -1]].tolist() == [23_500, -23_500]
    assert small_grid.pixel_m == 1000


def test_the_middle_of_a_centred_grid_is_the_centre_of_its_projection() -> None:
    crs = CRS.from_proj4("+proj=aeqd +lat_0=60 +lon_0=25")
    grid = Grid.from_corner((3, 3), -1500, 1500, (1000, 1000), crs)
    longitude, latitude = grid.longitude_latitude()
    assert longitude[1, 1] == pytest.approx(25)
    assert latitude[1, 1] == pytest.approx(60)
    assert latitude[0, 1] > latitude[2, 1]
    assert longitude[1, 2] > longitude[1, 0]


def test_pixels_in_degrees_have_their_size_in_metres() -> None:
    grid = Grid.from_corner((100, 100), 10, 60.5, (0.01, 0.01), LATLON)
    assert grid.pixel_m == pytest.approx(1112 * (1 + 0.5) / 2, rel=0.01)


@pytest.mark.parametrize("y", [[0.0, 1.0], [2.0, 1.0, -1.0], [0.0]])
def test_a_grid_from_south_to_north_or_uneven_is_refused(y: list[float]) -> None:
    with pytest.raises(ValueError, match="grid axis y: expected"):
        Grid(np.array([0.0, 1.0]), np.array(y), LATLON)


def test_frames_carry_their_grid_and_relation(small_grid: Grid) -> None:
    times = [np.datetime64("2020-01-01T00:00"), np.datetime64("2020-01-01T00:05")]
    dbz = np.full((2, *small_grid.shape), NO_ECHO)
    frames = make_frames(dbz, times, small_grid, source_quantity="dBZ", zr=ZR(223, 1.53))
    assert frames.dims == ("time", "y", "x")
    assert frames.dtype == np.float32
    assert small_grid.difference(Grid.of(frames)) is None
    assert zr_of(frames) == ZR(223, 1.53)


def test_frames_of_another_shape_are_refused(small_grid: Grid) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(1, 48, 60\), found \(1, 2, 2\)"):
        make_frames(
            np.zeros((1, 2, 2)),
            [np.datetime64("2020-01-01")],
            small_grid,
            source_quantity="dBZ",
            zr=ZR(200, 1.6),
        )


def test_grids_that_differ_say_how(small_grid: Grid) -> None:
    moved = Grid(small_grid.x + 5000, small_grid.y, small_grid.crs)
    assert small_grid.difference(moved) == "x from -29500 to 29500, found -24500 to 34500"
    smaller = Grid(small_grid.x[1:], small_grid.y, small_grid.crs)
    assert small_grid.difference(smaller) == "48 × 60 pixels, found 48 × 59"
    turned = Grid(small_grid.x, small_grid.y, CRS.from_epsg(21781))
    assert "projection" in str(small_grid.difference(turned))

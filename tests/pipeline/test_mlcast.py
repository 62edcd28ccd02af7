from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS

from pipeline.frames import Grid
from pipeline.mlcast import Credits, mapping_attributes, shortcomings
from pipeline.reflectivity import ZR
from pipeline.store import Store

MAKER = Credits("Ada Lovelace <ada@example.org>")


def empty_store(path: Path, grid: Grid, licence: str = "CC-BY-4.0") -> Store:
    cadence = np.timedelta64(5, "m")
    return Store.create(path, grid, ZR(200, 1.6), product="p", cadence=cadence, licence=licence)


@pytest.mark.parametrize(
    ("epsg", "shape", "pixel", "licence", "sentence"),
    [
        (3067, (255, 300), 1000.0, "MIT", "at least 256 × 256 pixels, found 255 × 300"),
        (3067, (256, 300), 2000.0, "MIT", "pixels of 1 km or less, found 2000 m"),
        (3067, (256, 300), 1000.0, "not stated", "SPDX licence, found 'not stated'.*--licence"),
        (4326, (256, 300), 0.009, "MIT", "a projected grid, found longitude and latitude"),
        (21781, (256, 300), 1000.0, "MIT", "found CF unable to express its projection"),
    ],
)
def test_what_mlcast_does_not_take_is_said(
    epsg: int, shape: tuple[int, int], pixel: float, licence: str, sentence: str, tmp_path: Path
) -> None:
    corner = (4.0, 50.0) if epsg == 4326 else (5e5, 3e5)
    grid = Grid.from_corner(shape, *corner, (pixel, pixel), CRS.from_epsg(epsg))
    store = empty_store(tmp_path / "store.zarr", grid, licence)
    (found,) = shortcomings(store, MAKER)
    assert found.startswith(f"{tmp_path / 'store.zarr'}: MLCast expects ")
    assert re.search(sentence, found)


def test_a_projection_without_an_area_of_use_gets_the_box_of_its_grid(small_grid: Grid) -> None:
    text = mapping_attributes(small_grid)["crs_wkt"]
    south, west, north, east = map(float, re.search(r"BBOX\[(.*?)\]", text)[1].split(","))
    assert 59.7 < south < 60 < north < 60.3
    assert 24.4 < west < 25 < east < 25.6
    assert CRS.from_wkt(text) == small_grid.crs
    swiss = Grid.from_corner((4, 4), 5e5, 2e5, (1000, 1000), CRS.from_epsg(21781))
    assert mapping_attributes(swiss)["crs_wkt"] == swiss.crs.to_wkt()


def test_credits_are_checked() -> None:
    with pytest.raises(ValueError, match="expected 'Name <address@domain>', found 'me'"):
        Credits("me")
    with pytest.raises(ValueError, match="such as FI-fmi-rain_rate, found 'fmi'"):
        Credits(identifier="fmi")
    named = Credits("Ada <a@b>", "FI-fmi-rain_rate", "CC-BY-4.0")
    assert named.identifier == "FI-fmi-rain_rate"

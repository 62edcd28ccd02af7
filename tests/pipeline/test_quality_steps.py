"""Filters, chains of quality steps, and stores that remember theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.check import check_store
from pipeline.filters import median_filter, object_filter, speckle_filter
from pipeline.frames import Grid, make_frames
from pipeline.ingest import ingest
from pipeline.offered_steps import OFFERED
from pipeline.packing import pack, unpack
from pipeline.quality_steps import Chain, Step
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.summary import summarise

FIRST = np.datetime64("2020-01-01T00:00", "ns")
SPELLINGS = ("median", "median:7", "speckle", "speckle:8", "speckle:2:7", "objects", "objects:30")
MakeFile = Callable[[int], Path]


def picture(rows: str) -> np.ndarray:
    """A frame: '.' is dry, '?' missing, a digit an echo of ten times as many dBZ."""
    known = {".": NO_ECHO, "?": np.nan}
    return np.array(
        [
            [known[mark] if mark in known else 10.0 * int(mark) for mark in row]
            for row in rows.split()
        ],
        np.float32,
    )


def random_frame(seed: int, shape: tuple[int, int] = (37, 41)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dbz = np.where(rng.random(shape) < 0.6, NO_ECHO, rng.uniform(-20, 60, shape))
    dbz[rng.random(shape) < 0.2] = np.nan
    return unpack(pack(dbz))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("seed", range(3))
def test_a_filter_invents_nothing(spelling: str, seed: int) -> None:
    dbz = random_frame(seed)
    given = dbz.copy()
    cleaned = Chain.of([spelling])(dbz)
    np.testing.assert_array_equal(dbz, given)
    assert cleaned.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(cleaned), np.isnan(dbz))
    seen = ~np.isnan(dbz)
    assert (cleaned[seen] <= dbz[seen]).all()
    assert np.isin(cleaned[seen], dbz[seen]).all()
    assert (cleaned[seen] < dbz[seen]).any()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("value", [np.nan, NO_ECHO])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 12)])
def test_frames_of_nothing_stay(spelling: str, value: float, shape: tuple[int, int]) -> None:
    dbz = np.full(shape, value, np.float32)
    np.testing.assert_array_equal(Chain.of([spelling])(dbz), dbz)


def test_the_median_filter_takes_the_lower_middle_of_the_observed_pixels() -> None:
    dbz = picture("... .3. ...")
    np.testing.assert_array_equal(median_filter(dbz), picture("... ... ..."))
    dbz = picture("123 456 789")
    assert median_filter(dbz)[1, 1] == 50
    assert median_filter(dbz)[2, 2] == 60
    dbz = picture("??? ?52 ???")
    np.testing.assert_array_equal(median_filter(dbz), picture("??? ?22 ???"))


def test_the_speckle_filter_asks_for_wet_neighbours_among_the_observed() -> None:
    dbz = picture("..... .22.. .2... .....")
    np.testing.assert_array_equal(speckle_filter(dbz, 2), dbz)
    assert (speckle_filter(dbz, 3) == NO_ECHO).all()
    half_hidden = picture("???? ?22? ????")
    np.testing.assert_array_equal(speckle_filter(half_hidden, 8), half_hidden)
    np.testing.assert_array_equal(speckle_filter(picture("??? ?2? ???"), 8), picture("??? ?2? ???"))
    weak = picture("111 151 111")
    assert speckle_filter(weak, 8)[1, 1] == 50
    assert speckle_filter(weak, 8, above=10)[1, 1] == NO_ECHO


def test_only_objects_that_are_surely_small_are_removed() -> None:
    dbz = picture("........ .2....3. ..2...33 ........ ?.......")
    removed = object_filter(dbz, 3)
    np.testing.assert_array_equal(removed, picture("........ ......3. ......33 ........ ?......."))
    by_the_edge = picture("2... .... ...?")
    np.testing.assert_array_equal(object_filter(by_the_edge, 9), by_the_edge)
    rim = picture(".....  .131. .333. .131. .....")
    np.testing.assert_array_equal(object_filter(rim, 5, above=20), rim)


@pytest.mark.parametrize(
    ("spelling", "match"),
    [
        ("blur", "no quality step 'blur'; there are .*median"),
        ("median:4", "expected median:SIZE, numbers .*odd size of 3 or more, found 4"),
        ("speckle:9", "expected 1 to 8 wet neighbours, found 9"),
        ("objects:0", "expected objects of 1 pixel or more, found 0"),
        ("objects:many", "quality step 'objects:many': expected objects:PIXELS:ABOVE"),
        ("median:3:3", "'median:3:3': expected median:SIZE, numbers, 1 at most, found 2$"),
        ("speckle:3:4:5", "expected speckle:LEAST:ABOVE, numbers, 2 at most, found 3$"),
        ("speckle:x", "'speckle:x': expected .*, a whole number for LEAST, found 'x'$"),
        (
            "speckle:3:wet",
            "expected speckle:LEAST:ABOVE, numbers, a number for ABOVE, found 'wet'$",
        ),
        ("speckle:3:nan", "speckle filter: expected a finite reflectivity in dBZ, found nan"),
        ("objects:9:nan", "object filter: expected a finite reflectivity in dBZ, found nan"),
        ("objects:9:inf", "object filter: expected a finite reflectivity in dBZ, found inf"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(spelling: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Chain.of([spelling])


@pytest.fixture
def make_file(tmp_path: Path, small_grid: Grid) -> MakeFile:
    def write(k: int) -> Path:
        dbz = random_frame(k, small_grid.shape)
        time = FIRST + np.timedelta64(300 * k, "s")
        frames = make_frames(dbz[None], [time], small_grid, source_quantity="dBZ", zr=ZR(200, 1.6))
        path = tmp_path / "files" / f"{k:02d}.nc"
        path.parent.mkdir(exist_ok=True)
        frames.to_netcdf(path)
        return path

    return write


def test_a_store_holds_and_records_cleaned_frames(tmp_path: Path, make_file: MakeFile) -> None:
    store = tmp_path / "store.zarr"
    steps = ["speckle:3", "median"]
    files = [make_file(k) for k in range(3)]
    assert ingest(files, store, quality=steps).frames["observed"] == 3
    held = Store.open(store)
    assert held.quality == ("speckle:3:-32", "median:3")
    for k in range(3):
        expected = median_filter(speckle_filter(random_frame(k, held.grid.shape), 3))
        np.testing.assert_array_equal(held.dbz(k, k + 1)[0], expected)
    assert held.wet_share[0] < 0.15
    assert ("quality control", "speckle:3:-32, then median:3") in summarise(held).rows()
    assert summarise(held).to_json()["quality"] == ("speckle:3:-32", "median:3")
    assert not check_store(store).damaged


def test_ingest_twice_is_once_with_quality_steps(tmp_path: Path, make_file: MakeFile) -> None:
    store = tmp_path / "store.zarr"
    files = [make_file(k) for k in range(2)]
    ingest(files, store, quality=["speckle"])
    before = Store.open(store).fingerprint()
    for quality in (["speckle"], ["speckle:3"], None):
        report = ingest(files, store, quality=quality)
        assert dict(report.frames) == {"unchanged": 2}
    assert Store.open(store).fingerprint() == before


def test_a_store_refuses_other_steps_than_it_began_with(
    tmp_path: Path, make_file: MakeFile
) -> None:
    plain, cleaned = tmp_path / "plain.zarr", tmp_path / "cleaned.zarr"
    files = [make_file(k) for k in range(2)]
    ingest(files, plain)
    ingest(files, cleaned, quality=["speckle"])
    assert Store.open(plain).quality == ()
    assert "quality control" not in dict(summarise(Store.open(plain)).rows())
    with pytest.raises(ValueError, match=r"this store began with, none, found median:3; ingest"):
        ingest(files, plain, quality=["median"])
    with pytest.raises(ValueError, match=r"began with, speckle:3:-32, found none; ingest with"):
        ingest(files, cleaned, quality=[])


def test_a_product_names_its_steps(
    tmp_path: Path, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "mine.toml"
    catalog.write_text(
        '[products.mine]\ntitle = "t"\nprovider = "p"\nlicence = "CC0-1.0"\nobtain = "made up"\n'
        'reader = "cf_netcdf"\ncadence_minutes = 5\nzr_a = 200\nzr_b = 1.6\nquality = ["objects"]\n'
    )
    monkeypatch.setenv("NOWCAST_CATALOG", str(catalog))
    files, store = [make_file(0)], tmp_path / "store.zarr"
    ingest(files, store, product="mine")
    assert Store.open(store).quality == ("objects:9:-32",)
    assert dict(ingest(files, store).frames) == {"unchanged": 1}
    ingest(files, tmp_path / "raw.zarr", product="mine", quality=[])
    catalog.write_text(catalog.read_text().replace("objects", "speckle"))
    with pytest.raises(ValueError, match="began with, objects:9:-32, found speckle:3:-32"):
        ingest(files, store)


def test_a_frame_that_cannot_be_weather_is_refused_before_it_is_cleaned(
    tmp_path: Path, small_grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        OFFERED, "dry", lambda _: Step("dry", "dry", lambda dbz: np.full_like(dbz, NO_ECHO))
    )
    dbz = np.full((1, *small_grid.shape), 95.0)
    frames = make_frames(dbz, [FIRST], small_grid, source_quantity="dBZ", zr=ZR(200, 1.6))
    frames.to_netcdf(tmp_path / "odd.nc")
    report = ingest([tmp_path / "odd.nc"], tmp_path / "s.zarr", product="storms", quality=["dry"])
    assert "above 80 dBZ" in report.refused[0].reason

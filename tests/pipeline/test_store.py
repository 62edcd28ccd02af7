from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import xarray as xr
import zarr
from store_samples import (
    FIRST,
    FIVE_MINUTES,
    MARSHALL_PALMER,
    contents,
    dbz_of,
    fill,
    frame,
    new_store,
    pixels,
)

from pipeline.check import check_store
from pipeline.clock import format_cadence, parse_cadence
from pipeline.frames import Grid
from pipeline.layout import Order
from pipeline.packed_frame import PackedFrame
from pipeline.packing import HIGHEST_DBZ, pack, unpack
from pipeline.reflectivity import NO_ECHO
from pipeline.store import Store
from pipeline.writer import StoreWriter


def test_packing_is_exact_to_half_a_hundredth() -> None:
    dbz = np.append(np.random.default_rng(0).uniform(-32, 100, 999), np.nan).astype(np.float32)
    np.testing.assert_allclose(unpack(pack(dbz)), dbz, atol=0.0051)


def test_packing_clips_before_it_packs_and_refuses_infinity() -> None:
    packed = unpack(pack(np.array([400.0, -99.0, NO_ECHO], np.float32)))
    np.testing.assert_array_equal(packed, np.float32([HIGHEST_DBZ, NO_ECHO, NO_ECHO]))
    with pytest.raises(ValueError, match="found an infinity"):
        pack(np.array([np.inf]))


def test_a_frame_comes_back_from_its_slot(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    assert fill(path, small_grid, [0, 1, 3]) == ["observed"] * 3
    store = Store.open(path)
    assert store.observed.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(store.read(3, 4)[0], pixels(3, small_grid))
    assert np.isnan(store.dbz(2, 3)).all()
    assert store.column("source").tolist() == ["0.nc", "1.nc", "", "3.nc"]
    assert store.slot(FIRST + 3 * FIVE_MINUTES) == 3
    assert store.grid.difference(small_grid) is None


def test_plain_xarray_opens_the_store(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0, 2])
    dataset = xr.open_zarr(path)
    np.testing.assert_allclose(dataset["reflectivity"][2], Store.open(path).dbz(2, 3)[0], atol=1e-4)
    assert dataset["time"].to_numpy()[2] == FIRST + 2 * FIVE_MINUTES
    assert dataset["status"].attrs["flag_meanings"] == "missing observed late revised refused"
    assert dataset["crs"].attrs["grid_mapping_name"] == "azimuthal_equidistant"
    assert dataset["latitude"].shape == small_grid.shape
    assert dataset.attrs["cadence"] == "PT5M"


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 3])))
def test_frames_in_any_order_fill_the_same_slots(
    tmp_path: Path, small_grid: Grid, order: tuple[int, ...]
) -> None:
    straight = new_store(tmp_path / "straight.zarr", small_grid)
    shuffled = new_store(tmp_path / "shuffled.zarr", small_grid)
    fill(straight, small_grid, [0, 1, 3])
    fill(shuffled, small_grid, order)
    assert contents(straight) == contents(shuffled)


def test_frames_before_the_first_slot_extend_the_axis(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [5, 6])
    assert fill(path, small_grid, [-3]) == ["late"]
    store = Store.open(path)
    assert store.times[0] == FIRST - 24 * FIVE_MINUTES
    assert (np.flatnonzero(store.observed) - 24).tolist() == [-3, 5, 6]
    for k in (-3, 5, 6):
        np.testing.assert_array_equal(store.read(k + 24, k + 25)[0], pixels(k, small_grid))
    assert [p.name for p in tmp_path.iterdir() if p.name != ".s.zarr.lock"] == ["s.zarr"]


def test_filling_twice_changes_no_byte(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0, 1, 3])
    before = contents(path)
    assert fill(path, small_grid, [0, 1, 3]) == ["unchanged"] * 3
    assert contents(path) == before


def test_other_pixels_for_a_filled_slot_are_a_revision(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0, 1])
    before = Store.open(path).fingerprint()
    with StoreWriter(path) as writer:
        assert writer.fill([frame(0, small_grid, seed=99)]) == ["revised"]
    store = Store.open(path)
    np.testing.assert_array_equal(store.read(0, 1)[0], pixels(0, small_grid, seed=99))
    assert store.fingerprint() != before


def test_what_cannot_be_weather_is_refused_and_marked(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0])
    nonsense = np.full(small_grid.shape, 95.5, np.float32)
    bad = PackedFrame.of(nonsense, FIRST + FIVE_MINUTES, "bad.nc", MARSHALL_PALMER)
    with StoreWriter(path) as writer:
        assert writer.fill([bad]) == ["refused"]
        again = PackedFrame.of(nonsense, FIRST, "bad.nc", MARSHALL_PALMER)
        assert writer.fill([again]) == ["refused"]
    store = Store.open(path)
    assert store.status.tolist() == [1, 4]
    assert store.observed.tolist() == [True, False]


def test_an_all_missing_and_a_dry_frame_are_ordinary(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    blind = np.full(small_grid.shape, np.nan, np.float32)
    dry = np.full(small_grid.shape, NO_ECHO, np.float32)
    frames = [
        PackedFrame.of(blind, FIRST, "blind", MARSHALL_PALMER),
        PackedFrame.of(dry, FIRST + FIVE_MINUTES, "dry", MARSHALL_PALMER),
    ]
    with StoreWriter(path) as writer:
        assert writer.fill(frames) == ["observed", "observed"]
    store = Store.open(path)
    assert np.isnan(store.dbz(0, 1)).all()
    assert (store.dbz(1, 2) == NO_ECHO).all()
    np.testing.assert_array_equal(store.wet_share, np.float32([np.nan, 0]))
    np.testing.assert_array_equal(store.observed_share, np.float32([0, 1]))


def test_a_time_between_two_slots_is_refused(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0])
    with pytest.raises(
        ValueError, match="every 5M from 2020-01-01 00:00, found 2020-01-01 00:07; the nearest"
    ):
        Store.open(path).slot(FIRST + np.timedelta64(7, "m"))


def test_a_second_writer_is_told_of_the_first(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    with StoreWriter(path), pytest.raises(BlockingIOError, match="another process is writing"):
        StoreWriter(path).__enter__()
    with StoreWriter(path):
        pass


def test_a_cut_between_the_two_renames_loses_nothing(tmp_path: Path, small_grid: Grid) -> None:
    path = new_store(tmp_path / "s.zarr", small_grid)
    fill(path, small_grid, [0])
    path.rename(tmp_path / ".s.zarr.old")
    assert Store.open(path).observed.tolist() == [True]


def test_no_store_another_version_and_something_else_get_a_sentence(
    tmp_path: Path, small_grid: Grid
) -> None:
    with pytest.raises(FileNotFoundError, match="no store here; make one with `nowcast ingest"):
        Store.open(tmp_path / "none.zarr")
    with pytest.raises(ValueError, match="expected a zarr store of radar frames, found none"):
        Store.open(tmp_path)
    path = new_store(tmp_path / "s.zarr", small_grid)
    zarr.open_group(path, mode="r+", use_consolidated=False).attrs["store_version"] = 99
    with pytest.raises(ValueError, match="expected a store of version 2, found 99"):
        Store.open(path)
    with pytest.raises(FileExistsError, match="found something there"):
        new_store(path, small_grid)


def test_cadences_are_iso_8601() -> None:
    for minutes in (1, 5, 6, 10, 15):
        cadence = np.timedelta64(minutes, "m")
        assert parse_cadence(format_cadence(cadence)) == cadence
    with pytest.raises(ValueError, match="expected a duration such as PT5M, found '5 minutes'"):
        parse_cadence("5 minutes")


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_frame_that_was_packed_in_another_order_is_stored_whole(
    tmp_path: Path, small_grid: Grid, order: Order
) -> None:
    path = tmp_path / "s.zarr"
    Store.create(
        path, small_grid, MARSHALL_PALMER, product="test", cadence=FIVE_MINUTES, order=order
    )
    packed = [
        PackedFrame.of(dbz_of(k, small_grid), FIRST + k * FIVE_MINUTES, "a", MARSHALL_PALMER, scan)
        for k, scan in enumerate(get_args(Order))
    ]
    with StoreWriter(path) as writer:
        assert writer.fill(packed) == ["observed"] * 2
    for k in range(2):
        np.testing.assert_array_equal(Store.open(path).read(k, k + 1)[0], pixels(k, small_grid))
    assert check_store(path).damaged == ()

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.forecasting import issue_forecast
from flows.training import build_event_tensors, train_network
from nowcast.checkpoint import load_checkpoint
from nowcast.recipes import find_recipe
from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.reflectivity import NO_ECHO
from pipeline.store import Store
from pipeline.tensors import TensorSet, build_tensors
from pipeline.windows import as_datetime64
from pipeline.writer import StoreWriter

TINY = replace(find_recipe("unet-demo"), steps=2, batch_size=2, crop=32, validate_every=1)


def test_a_short_record_leaves_room_to_verify_an_hour(tmp_path: Path, storm_store: Path) -> None:
    tensors = build_event_tensors(storm_store, tmp_path / "t", lead_steps=10)
    test = tensors.manifest.splits["test"].periods[0]
    assert (test.end - test.start).total_seconds() / 360 >= 2 + 10


@pytest.fixture
def store(tmp_path: Path, storm_store: Path) -> Path:
    """A copy of the storms' store, to write to."""
    return shutil.copytree(storm_store, tmp_path / "store.zarr")


@pytest.fixture
def tensors(tmp_path: Path, store: Path) -> TensorSet:
    return build_tensors(Store.open(store), tmp_path / "tensors")


def put(address: Path, *valid_times: np.datetime64) -> None:
    """Fill slots of a store with drizzle."""
    store = Store.open(address)
    drizzle = np.full(store.grid.shape, 12.0, np.float32)
    with StoreWriter(address) as writer:
        writer.fill([PackedFrame.of(drizzle, time, "new.nc", store.zr) for time in valid_times])


def quietly_trained(tensors: TensorSet, run: Path, *, resume: bool = False) -> Path:
    """The checkpoint of a run that must not speak of an outdated set."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*outdated")
        warnings.filterwarnings("ignore", message=".*of persistence's")
        return train_network([tensors.path], TINY, run, resume=resume)


def test_a_checkpoint_names_the_data_that_it_saw(tmp_path: Path, tensors: TensorSet) -> None:
    provenance = load_checkpoint(quietly_trained(tensors, tmp_path / "run")).provenance
    manifest = tensors.manifest
    (seen,) = provenance["tensor_sets"]
    assert (seen["product"], seen["past"], seen["future"]) == ("storms", 3, 2)
    assert seen["period"] == manifest.period.model_dump(mode="json")
    assert seen["store_fingerprint"] == manifest.store_fingerprint
    assert seen["store_snapshot"] is None


def test_training_warns_of_frames_that_changed_since(tmp_path: Path, tensors: TensorSet) -> None:
    store = Path(tensors.manifest.store)
    first = as_datetime64(tensors.manifest.period.start)
    put(store, first, first + 5 * np.timedelta64(6, "m"))
    with pytest.warns(UserWarning, match=r"tensors: the tensor set is outdated, 2 frames .*store"):
        train_network([tensors.path], TINY, tmp_path / "run")
    anew = build_tensors(Store.open(store), tensors.path)
    quietly_trained(anew, tmp_path / "again")


def test_newer_frames_and_a_store_that_is_gone_are_no_reason_to_warn(
    tmp_path: Path, tensors: TensorSet
) -> None:
    store = Path(tensors.manifest.store)
    put(store, as_datetime64(tensors.manifest.period.end) + 50 * np.timedelta64(6, "m"))
    quietly_trained(tensors, tmp_path / "run")
    shutil.rmtree(store)
    quietly_trained(tensors, tmp_path / "again")


def test_a_run_goes_on_only_on_the_data_it_began_with(tmp_path: Path, tensors: TensorSet) -> None:
    run, store = tmp_path / "run", Path(tensors.manifest.store)
    before = quietly_trained(tensors, run).read_bytes()
    shutil.rmtree(tensors.path)
    equal = build_tensors(Store.open(store), tensors.path)
    assert quietly_trained(equal, run, resume=True).read_bytes() == before
    put(store, as_datetime64(tensors.manifest.period.start))
    other = build_tensors(Store.open(store), tensors.path)
    with pytest.raises(ValueError, match=r"last\.pt: expected a run on data .* take another fold"):
        quietly_trained(other, run, resume=True)
    assert (run / "best.safetensors").read_bytes() == before


def test_a_network_of_another_cadence_is_refused(
    tmp_path: Path, storm_store: Path, small_grid: Grid
) -> None:
    tensors = build_event_tensors(storm_store, tmp_path / "t", lead_steps=10)
    checkpoint = train_network([tensors.path], TINY, tmp_path / "run")
    issue_forecast(storm_store, str(checkpoint))
    five = Store.create(
        tmp_path / "five.zarr",
        small_grid,
        Store.open(storm_store).zr,
        product="test",
        cadence=np.timedelta64(5, "m"),
    )
    dry = np.full(small_grid.shape, NO_ECHO, np.float32)
    with StoreWriter(five.address) as writer:
        writer.fill([PackedFrame.of(dry, np.datetime64("2020-01-01T00:00", "ns"), "dry", five.zr)])
    with pytest.raises(ValueError, match="trained on frames every 6 minutes, found a store with"):
        issue_forecast(five.address, str(checkpoint))
    forecast = issue_forecast(five.address, "extrapolation")
    assert (forecast["reflectivity"] == NO_ECHO).all()

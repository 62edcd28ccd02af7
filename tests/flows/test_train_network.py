from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.forecasting import issue_forecast
from flows.training import build_event_tensors, train_network
from nowcast.recipes import find_recipe
from pipeline.frames import Grid
from pipeline.reflectivity import NO_ECHO
from pipeline.store import Store
from pipeline.writer import PackedFrame, StoreWriter

TINY = replace(find_recipe("unet-demo"), steps=2, batch_size=2, crop=32, validate_every=1)


def test_a_short_record_leaves_room_to_verify_an_hour(tmp_path: Path, storm_store: Path) -> None:
    tensors = build_event_tensors(storm_store, tmp_path / "t", lead_steps=10)
    test = tensors.manifest.splits["test"].periods[0]
    assert (test.end - test.start).total_seconds() / 360 >= 2 + 10


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
    with StoreWriter(five.path) as writer:
        writer.fill([PackedFrame.of(dry, np.datetime64("2020-01-01T00:00", "ns"), "dry", five.zr)])
    with pytest.raises(ValueError, match="trained on frames every 6 minutes, found a store with"):
        issue_forecast(five.path, str(checkpoint))
    forecast = issue_forecast(five.path, "extrapolation")
    assert (forecast["reflectivity"] == NO_ECHO).all()

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data_catalog.storms import Storms, write_storms
from flows import counting
from flows.merging import merge_scores
from flows.parts import FOLDER
from flows.scoring import Scored, score_period
from flows.verification import Comparison, Request
from nowcast.verification.merging import merge
from pipeline.ingest import ingest

START = np.datetime64("2026-06-01T00:00", "ns")
HOUR = np.timedelta64(1, "h")


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of a tiny storm, in place of days."""
    folder = tmp_path_factory.mktemp("days")
    event = Storms(height=32, width=32, frames=60, seed=3, lost=(30,))
    ingest(write_storms(folder / "files", event), folder / "days.zarr", product="storms")
    return folder / "days.zarr"


def verify(
    store: Path, out: Path, hours: tuple[float, float] = (0, 6), **choices: object
) -> Scored:
    request = Request(store, ("extrapolation",), lead_minutes=12)
    first, last = (START + int(60 * hour) * np.timedelta64(1, "m") for hour in hours)
    comparison = Comparison.load(request)
    return score_period(comparison, request, (first, last), out, **choices)  # type: ignore[arg-type]


def scores_in(out: Path) -> xr.Dataset:
    return xr.load_dataset(out / "scores.nc", decode_timedelta=False)


@pytest.fixture(scope="module")
def once(days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the whole period was counted in one run; read only."""
    out = tmp_path_factory.mktemp("once")
    verify(days, out)
    return out


@pytest.fixture(scope="module")
def at_once(once: Path) -> xr.Dataset:
    """The scores of the whole period."""
    return scores_in(once)


@pytest.fixture
def counted(once: Path, tmp_path: Path) -> Path:
    """A copy of what was counted in one run."""
    return shutil.copytree(once, tmp_path / "counted")


def test_a_day_then_two_days_equals_two_days_at_once(
    days: Path, tmp_path: Path, at_once: xr.Dataset
) -> None:
    first = verify(days, tmp_path, (0, 3.3))
    then = verify(days, tmp_path)
    assert 0 < first.counted < at_once.sizes["issue_time"]
    assert first.counted + then.counted == at_once.sizes["issue_time"]
    xr.testing.assert_identical(scores_in(tmp_path), at_once)
    assert verify(days, tmp_path).counted == 0
    xr.testing.assert_identical(scores_in(tmp_path), at_once)


def test_a_shorter_period_holds_no_issue_time_of_the_longer(
    days: Path, tmp_path: Path, counted: Path
) -> None:
    assert verify(days, counted, (0, 3.3)).counted > 0
    verify(days, tmp_path / "b", (0, 3.3))
    xr.testing.assert_identical(scores_in(counted), scores_in(tmp_path / "b"))


def test_parts_streamed_into_one_file_equal_the_sum_in_memory(
    once: Path, at_once: xr.Dataset
) -> None:
    parts = sorted((once / FOLDER).glob("*.nc"))
    assert len(parts) > 2
    together = merge(parts[::-1])
    xr.testing.assert_identical(together.drop_attrs(deep=False), at_once.drop_attrs(deep=False))
    assert together.attrs.items() <= at_once.attrs.items()


def test_interleaved_issue_times_merge_into_their_places(
    once: Path, tmp_path: Path, at_once: xr.Dataset
) -> None:
    parts = sorted((once / FOLDER).glob("*.nc"))
    halves = [merge_scores(parts[n::2], tmp_path / f"half{n}.nc") for n in (0, 1)]
    whole = xr.load_dataset(merge_scores(halves, tmp_path / "w.nc"), decode_timedelta=False)
    xr.testing.assert_identical(whole.drop_attrs(), at_once.drop_attrs())
    with pytest.raises(
        ValueError, match=r"half0\.nc: issue time .* is in .*w\.nc too; count it on"
    ):
        merge_scores([tmp_path / "w.nc", halves[0]], tmp_path / "x.nc")
    assert not (tmp_path / "x.nc").exists()


def test_threads_and_a_cluster_count_the_same(
    days: Path, tmp_path: Path, at_once: xr.Dataset
) -> None:
    from distributed import Client, LocalCluster

    verify(days, tmp_path / "one", workers=1)
    xr.testing.assert_identical(scores_in(tmp_path / "one"), at_once)
    with LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        published = verify(days, tmp_path / "dask", dask=address)
        with Client(address, set_as_default=False) as client:
            ran = client.run(executed_tasks)
    assert published.counted == at_once.sizes["issue_time"]
    assert sum(ran.values()) >= len(list((tmp_path / "dask" / FOLDER).glob("*.nc")))
    xr.testing.assert_identical(scores_in(tmp_path / "dask"), at_once)


def executed_tasks(dask_worker: object) -> int:
    events = dask_worker.state.log  # type: ignore[attr-defined]
    return sum(event[1:3] == ("executing", "memory") for event in events)


def test_a_cluster_that_is_not_there_gets_a_sentence(
    days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(ConnectionError, match="expected a Dask scheduler with workers, found none"):
        verify(days, tmp_path, dask="tcp://127.0.0.1:9")


def test_a_run_killed_in_the_middle_goes_on(
    days: Path, tmp_path: Path, at_once: xr.Dataset
) -> None:
    words = ["verify", str(days), "--with", "extrapolation", "--lead", "12", "--workers", "1"]
    period = ["--from", "2026-06-01T00:00", "--to", "2026-06-01T06:00", "--out", str(tmp_path)]
    run = subprocess.Popen([sys.executable, "-m", "flows.cli", *words, *period])
    patience = time.monotonic() + 120
    while not list((tmp_path / FOLDER).glob("[!.]*.nc")):
        assert run.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "scores.nc").exists()
    (tmp_path / FOLDER / "20260601T022400.nc").write_bytes(b"half a file")
    again = verify(days, tmp_path)
    assert 0 < again.counted < at_once.sizes["issue_time"]
    xr.testing.assert_identical(scores_in(tmp_path), at_once)


def test_only_what_follows_from_a_changed_frame_is_counted_again(
    days: Path, tmp_path: Path, counted: Path, at_once: xr.Dataset
) -> None:
    store = tmp_path / "days.zarr"
    shutil.copytree(days, store)
    assert verify(store, counted).counted == 0
    event = Storms(height=32, width=32, frames=60, seed=3)
    late = write_storms(tmp_path / "files", event)[30]
    assert ingest([late], store).frames == {"late": 1}
    again = verify(store, counted)
    whole = verify(store, tmp_path / "w")
    assert 0 < again.counted < whole.counted
    assert whole.counted > at_once.sizes["issue_time"]
    xr.testing.assert_identical(scores_in(counted), scores_in(tmp_path / "w"))


def test_a_folder_with_scores_of_another_protocol_is_refused(
    counted: Path, small_event: Path
) -> None:
    before = (counted / "scores.nc").read_bytes()
    with pytest.raises(ValueError, match=r"expected a folder for scores of protocol .* choose ano"):
        verify(small_event, counted)
    assert (counted / "scores.nc").read_bytes() == before


@pytest.fixture
def small_event(tmp_path: Path) -> Path:
    """The same with pixels of 2 km."""
    event = Storms(height=32, width=32, frames=24, seed=3, pixel_m=2000)
    ingest(write_storms(tmp_path / "files", event), tmp_path / "coarse.zarr", product="storms")
    return tmp_path / "coarse.zarr"

"""Stores and pieces of a period side by side on a real Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from data_catalog.storms import Storms, write_storms
from flows import scheduled
from flows.growing import Feed, ingest_many, verify_many
from flows.parts import FOLDER
from pipeline import workers
from pipeline.store import Store

pytestmark = pytest.mark.usefixtures("prefect")
PERIOD = ("2026-06-01T00:00", "2026-06-01T12:00")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a scheduler with two workers, each a process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as local:
        local.wait_for_workers(2)
        yield local.scheduler_address


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> list[Feed]:
    """Two days of two small radars, each with a store of its own to be; one frame lost."""
    folder = tmp_path_factory.mktemp("radars")
    return [
        Feed(
            str(folder / f"{seed}.zarr"),
            [write_storms(folder / str(seed), event)[0].parent],
            "storms",
        )
        for seed in (1, 2)
        for event in [Storms(height=16, width=16, frames=120, seed=seed, lost=(30,))]
    ]


def tasks_by_worker(address: str, name: str) -> list[int]:
    """How many tasks of that name each worker has run."""
    from distributed import Client

    def run(dask_worker: Any) -> int:
        events = [event for event in dask_worker.state.log if event[1:3] == ("executing", "memory")]
        return sum(name in str(event[0]) for event in events)

    with Client(address, set_as_default=False) as client:
        return list(client.run(run).values())


def moved(feed: Feed, folder: Path) -> Feed:
    return Feed(str(folder / Path(feed.store).name), feed.files, feed.product)


def test_stores_filled_side_by_side_equal_those_filled_one_by_one(
    tmp_path: Path, cluster: str, feeds: list[Feed]
) -> None:
    spread = [moved(feed, tmp_path) for feed in feeds]
    reports = ingest_many(spread, dask=cluster)
    assert [report.frames for report in reports] == [{"observed": 119}] * 2
    assert tasks_by_worker(cluster, "ingest_feed") == [1, 1]
    ingest_many(feeds)
    for one, other in zip(feeds, spread, strict=True):
        alone, beside = (xr.open_zarr(feed.store) for feed in (one, other))
        xr.testing.assert_identical(alone.drop_vars("source"), beside.drop_vars("source"))
        assert Store.open(other.store).observed.sum() == 119


def test_a_period_counted_in_pieces_equals_the_whole(
    tmp_path: Path, cluster: str, feeds: list[Feed]
) -> None:
    store = str(tmp_path / "s.zarr")
    scheduled.ingest(sorted(feeds[0].files[0].iterdir()), store, "storms")
    whole = scheduled.verify(store, ["extrapolation"], *PERIOD, tmp_path / "whole", 30)
    report = verify_many(
        store, ["extrapolation"], *PERIOD, tmp_path / "v", days=1 / 6, lead_minutes=30, dask=cluster
    )
    shares = tasks_by_worker(cluster, "count_piece")
    assert sum(shares) > 0
    assert min(shares) > 0
    scores = [
        xr.load_dataset(page.with_name("scores.nc"), decode_timedelta=False)
        for page in (whole, report)
    ]
    assert scores[0].sizes["issue_time"] > 80
    xr.testing.assert_identical(*scores)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "v" / FOLDER).iterdir()}
    verify_many(store, ["extrapolation"], *PERIOD, tmp_path / "v", days=1 / 6, lead_minutes=30)
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_store_has_one_writer(feeds: list[Feed]) -> None:
    with pytest.raises(ValueError, match="ingest-many: expected every store once, found"):
        ingest_many([feeds[0], feeds[0]])


def test_a_cluster_that_is_not_there_gets_a_sentence(
    feeds: list[Feed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(ConnectionError, match="expected a Dask scheduler with workers, found none"):
        ingest_many([moved(feeds[0], tmp_path)], dask="tcp://127.0.0.1:9")
    assert not list(tmp_path.iterdir())

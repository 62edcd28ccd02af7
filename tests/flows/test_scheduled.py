from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from flows import scheduled
from nowcast.forecasters import load_forecaster
from pipeline.store import Store
from pipeline.tensors import TensorSet

pytestmark = pytest.mark.usefixtures("prefect")


def test_the_flows_lead_from_files_to_a_report(tmp_path: Path, storm_files: list[Path]) -> None:
    store = tmp_path / "s.zarr"
    assert scheduled.ingest(storm_files, store, "storms").exit_code == 0
    assert Store.open(store).observed.sum() == len(storm_files)

    tensors = scheduled.build_tensors(store, tmp_path / "tensors")
    assert TensorSet.open(tensors).manifest.product == "storms"

    checkpoint = scheduled.train([tensors], "unet-demo", tmp_path / "run", steps=2)
    assert load_forecaster(str(checkpoint)).name == "unet-demo"

    file = scheduled.forecast(store, str(checkpoint), tmp_path / "f.nc")
    with xr.open_dataset(file, decode_timedelta=False) as forecast:
        assert forecast["reflectivity"].shape == (1, 10, 64, 64)

    period = ("2026-06-01T00:00", "2026-06-01T02:00")
    report = scheduled.verify(store, ["extrapolation", str(checkpoint)], *period, tmp_path / "v")
    assert "unet-demo" in report.read_text()


def test_the_ingest_flow_decodes_on_a_dask_cluster(tmp_path: Path, storm_files: list[Path]) -> None:
    from distributed import Client, LocalCluster

    store = tmp_path / "s.zarr"
    with LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with Client(address, set_as_default=False) as client:
            before = len(next(iter(client.run(executed_tasks).values())))
            report = scheduled.ingest(storm_files, store, "storms", dask=address)
            after = len(next(iter(client.run(executed_tasks).values())))
    assert after - before >= len(storm_files)
    assert report.frames == {"observed": len(storm_files)}
    assert Store.open(store).observed.sum() == len(storm_files)


def executed_tasks(dask_worker: Any) -> list[Any]:
    """What a worker of the cluster has run."""
    return [event for event in dask_worker.state.log if event[1:3] == ("executing", "memory")]


def test_verification_leaves_artifacts(tmp_path: Path, storm_store: Path) -> None:
    from prefect.client.orchestration import get_client

    period = ("2026-06-01T01:00", "2026-06-01T02:30")
    scheduled.verify(storm_store, ["extrapolation"], *period, tmp_path)
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    tables = [str(artifact.data) for artifact in artifacts if artifact.key == "scores"]
    links = [str(artifact.data) for artifact in artifacts if artifact.key == "report"]
    assert any("extrapolation" in table for table in tables)
    assert any((tmp_path / "report.html").resolve().as_uri() in link for link in links)

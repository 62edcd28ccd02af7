from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from PIL import Image

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
    left: dict[str, list[Any]] = {}
    for artifact in artifacts:
        left.setdefault(str(artifact.key), []).append(artifact)
    assert any("extrapolation" in str(table.data) for table in left["scores"])
    report = (tmp_path / "report.html").resolve().as_uri()
    assert any(report in str(link.data) for link in left["report"])
    told = [str(verdict.data).split("\n\n") for verdict in left["verdict"]]
    assert all(sentences[0].startswith("For rain of ≥ 1 mm/h, ") for sentences in told)
    page = html.unescape((tmp_path / "report.html").read_text())
    assert any(all(sentence in page for sentence in sentences) for sentences in told)
    panel = next(panel for panel in left["panel"] if "observed" in str(panel.description))
    assert "the wettest hour. Columns: observed, persistence" in str(panel.description)
    address = str(panel.data)
    assert address.startswith("data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.width >= 3 * 64
    assert picture.height >= 3 * 64


def test_the_verify_flow_scores_forecast_files_on_a_dask_cluster(
    tmp_path: Path, storm_store: Path
) -> None:
    from distributed import LocalCluster

    file = scheduled.forecast(
        storm_store, "extrapolation", tmp_path / "f.nc", "2026-06-01T02:00", lead_minutes=30
    )
    with LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        report = scheduled.verify(
            storm_store, [], None, None, tmp_path / "v", files=[file], dask=address
        )
    assert "Extrapolation" in report.read_text()
    with xr.open_dataset(report.with_name("scores.nc"), decode_timedelta=False) as scores:
        assert scores["lead_time"].to_numpy().tolist() == [6, 12, 18, 24, 30]
        assert scores.sizes["issue_time"] == 1

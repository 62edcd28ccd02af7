from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

from flows.demo import RECIPES as DEMO_RECIPES
from flows.demo import demo
from nowcast.recipes import RECIPES

EVENTS = {
    "bom_netcdf/melbourne_20180616": 6,
    "fmi_pgm/20160928": 5,
    "mch_gif/20150515": 5,
    "knmi_hdf5/20100826": 5,
}


def scores_of(out: Path) -> xr.Dataset:
    return xr.load_dataset(out / "scores.nc", decode_timedelta=False)


@pytest.mark.usefixtures("prefect")
def test_the_demo_leads_from_files_to_a_report(
    tmp_path: Path, storm_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DEMO_RECIPES:
        short = replace(RECIPES[name], steps=2, batch_size=2, crop=32)
        monkeypatch.setitem(RECIPES, name, short)
    published = demo(tmp_path, storm_files, "storms")
    assert published.report == tmp_path / "report.html"
    assert [record["forecaster"] for record in published.records()] == [
        "persistence",
        "extrapolation",
        *DEMO_RECIPES,
    ]
    page = published.report.read_text()
    assert all(f"train {name}" in page for name in DEMO_RECIPES)
    assert {path.name for path in tmp_path.glob("forecast-*.nc")} == {
        f"forecast-{name}.nc" for name in ("extrapolation", *DEMO_RECIPES)
    }


@pytest.mark.slow
def test_on_storms_extrapolation_and_a_network_beat_persistence_at_every_lead(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "flows.cli", "demo", "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    csi = scores_of(tmp_path)["csi"].sel(threshold=1.0)
    beaten = {
        str(name): bool((csi.sel(forecaster=name) > csi.sel(forecaster="persistence")).all())
        for name in csi["forecaster"].to_numpy()
    }
    assert beaten["extrapolation"]
    assert any(beaten[name] for name in DEMO_RECIPES)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("event", EVENTS)
def test_the_demo_verifies_an_hour_of_a_real_event(
    tmp_path: Path, data_dir: Path, event: str
) -> None:
    files = sorted(map(str, (data_dir / "radar" / event).iterdir()))
    command = [sys.executable, "-m", "flows.cli", "demo", "--out", str(tmp_path), "--data", *files]
    subprocess.run(command, check=True)
    scores = scores_of(tmp_path)
    cadence = EVENTS[event]
    assert scores["lead_time"].to_numpy().tolist() == list(range(cadence, 61, cadence))
    csi = scores["csi"].sel(threshold=1.0)
    assert (csi.sel(forecaster="extrapolation") > csi.sel(forecaster="persistence")).all()
    assert csi.notnull().all()

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from flows.forecasting import issue_forecast
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.live import links, live_facts, write_live
from flows.service.status import Status
from nowcast.report.live_facts import LiveFacts
from pipeline.forecasts import write_forecast
from pipeline.ingest import ingest
from pipeline.store import Store

NAMES = ("persistence", "extrapolation", "unet")


def newest_of(store: Path) -> np.datetime64:
    newest = Store.open(store).newest()
    assert newest is not None
    return newest


def make_status(store: Path, **changes: Any) -> Status:
    """As JSON tells it."""
    return Status.model_validate(
        {
            "made": datetime.now(UTC),
            "store": str(store),
            "product": Store.open(store).product if store.exists() else None,
            "healthy": True,
            **changes,
        }
    )


def issue(configuration: Configuration, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """Forecasts of the newest frame, and what a status says of them."""
    newest = newest_of(Path(configuration.store))
    for name in names:
        made_by = "extrapolation" if name == "unet" else name
        forecast = issue_forecast(configuration.store, made_by).assign_attrs(
            checkpoint=f"of-{name}"
        )
        write_forecast(Folders(configuration.out).forecast(newest, name), forecast)
    return {
        "issue_time": str(newest.astype("datetime64[s]")),
        "forecasters": {name: {"seconds": 0.2} for name in names},
    }


def facts_of(configuration: Configuration, **changes: Any) -> LiveFacts:
    return live_facts(configuration, make_status(Path(configuration.store), **changes))


@pytest.fixture
def configuration(storm_store: Path, tmp_path: Path) -> Configuration:
    return Configuration(store=str(storm_store), out=tmp_path / "service")


def test_page_shows_the_last_hour_and_every_forecaster(configuration: Configuration) -> None:
    facts = facts_of(configuration, latest=issue(configuration))
    assert facts.sky is not None
    assert len(facts.sky.times) == len(facts.sky.filled) == len(facts.sky.observed) == 11
    assert (facts.sky.times[-1] - facts.sky.times[0]).total_seconds() == 3600
    assert facts.newest_frame == facts.sky.times[-1]
    assert [made.name for made in facts.sky.forecasts] == list(NAMES)
    assert {made.issue_time for made in facts.sky.forecasts} == {facts.newest_frame}
    assert {made.dbz.shape for made in facts.sky.forecasts} == {(10, 64, 64)}
    assert facts.problems == ()


def test_page_lies_where_people_look_for_it(configuration: Configuration) -> None:
    status = make_status(Path(configuration.store), latest=issue(configuration))
    path = write_live(configuration, status)
    assert path == Folders(configuration.out).live_page
    page = path.read_text()
    assert 'data-forecaster="unet"' in page
    assert "no forecast" not in page


def test_store_that_is_not_there_gives_a_page_that_says_so(tmp_path: Path) -> None:
    configuration = Configuration(store=str(tmp_path / "none.zarr"), out=tmp_path / "service")
    status = make_status(tmp_path / "none.zarr", healthy=False, problems=["no store here"])
    page = write_live(configuration, status).read_text()
    assert "There is no frame to show." in page
    assert "no store here" in page


def test_frames_without_forecasts_give_a_page_that_says_so(configuration: Configuration) -> None:
    page = write_live(configuration, make_status(Path(configuration.store))).read_text()
    assert "There is no forecast beyond the newest frame yet." in page


def test_forecast_that_cannot_be_read_is_a_problem_and_the_others_are_shown(
    configuration: Configuration,
) -> None:
    latest = issue(configuration)
    newest = newest_of(Path(configuration.store))
    broken = Folders(configuration.out).forecast(newest, "persistence")
    broken.write_bytes(b"half a file")
    Folders(configuration.out).forecast(newest, "unet").unlink()
    facts = facts_of(configuration, latest=latest, problems=["first"])
    assert facts.sky is not None
    assert [made.name for made in facts.sky.forecasts] == ["extrapolation"]
    assert facts.problems[0] == "first"
    assert [str(broken) in problem for problem in facts.problems] == [False, True, False]
    assert "no forecast file here" in facts.problems[2]


def test_forecast_of_another_grid_is_a_problem(configuration: Configuration) -> None:
    latest = issue(configuration, ("extrapolation",))
    path = Folders(configuration.out).forecast(
        newest_of(Path(configuration.store)), "extrapolation"
    )
    with xr.open_dataset(path, decode_timedelta=False) as held:
        smaller = held.isel(x=slice(40)).load()
    write_forecast(path, smaller)
    facts = facts_of(configuration, latest=latest)
    assert facts.sky is not None
    assert facts.sky.forecasts == ()
    assert facts.problems == (f"{path}: expected (64, 64) pixels, found (64, 40)",)


def test_ensemble_is_shown_as_the_mean_of_its_rain_rates(configuration: Configuration) -> None:
    latest = issue(configuration, ("extrapolation",))
    store = Store.open(configuration.store)
    path = Folders(configuration.out).forecast(
        newest_of(Path(configuration.store)), "extrapolation"
    )
    with xr.open_dataset(path, decode_timedelta=False) as held:
        single = held.load()
    members = xr.concat([single["reflectivity"] * 0 + dbz for dbz in (20.0, 40.0)], "realization")
    dims = ("issue_time", "realization", "lead_time", "y", "x")
    write_forecast(path, single.assign(reflectivity=members.transpose(*dims)))
    facts = facts_of(configuration, latest=latest)
    assert facts.sky is not None
    mean = store.zr.rain_rate(np.array([20.0, 40.0])).mean()
    known = facts.sky.forecasts[0].dbz[~np.isnan(facts.sky.forecasts[0].dbz)]
    assert known.size > 1000
    np.testing.assert_allclose(store.zr.rain_rate(known), mean, rtol=1e-3)


def test_network_is_named_by_the_hash_of_its_forecast(configuration: Configuration) -> None:
    network = {"checkpoint": "/models/best", "name": "unet", "since": "", "why": "It won."}
    facts = facts_of(configuration, network=network, latest=issue(configuration))
    assert facts.network is not None
    assert facts.network.checkpoint == "of-unet"
    assert facts.network.since is None


def test_network_that_made_no_forecast_is_named_by_its_path(configuration: Configuration) -> None:
    latest = issue(configuration)
    path = Folders(configuration.out).forecast(newest_of(Path(configuration.store)), "unet")
    write_forecast(path, issue_forecast(configuration.store, "extrapolation"))
    for name in ("unet", "convlstm"):
        network = {"checkpoint": "/models/best", "name": name, "since": "", "why": "It won."}
        facts = facts_of(configuration, network=network, latest=latest)
        assert facts.network is not None
        assert facts.network.checkpoint == "/models/best"


def test_what_the_status_knows_is_on_the_page(configuration: Configuration) -> None:
    facts = facts_of(
        configuration,
        frames_last_day=33,
        missing_last_day=1,
        gaps=[["2018-06-16T12:00:00Z", "2018-06-16T12:06:00Z"]],
        latency={"count": 3, "p50": 1.0, "p95": 2.0, "max": 3.0},
        skill={
            "threshold": 1.0,
            "lead_minutes": [6, 12],
            "csi": {"unet": [0.5, None]},
            "issue_times": 2,
            "versus_extrapolation": {"unet": None},
        },
        disk={"free_gb": 1.0, "total_gb": 2.0},
        alerts=[{"time": "2018-06-16T07:31:00Z", "kind": "disk", "sentence": "Full."}],
    )
    assert facts.gaps == ((datetime(2018, 6, 16, 12), datetime(2018, 6, 16, 12, 6)),)
    assert facts.latency is not None
    assert facts.latency.longest == 3.0
    assert facts.skill is not None
    assert np.isnan([facts.skill.csi["unet"][1], facts.skill.gains["unet"]]).all()
    assert facts.alerts[0].sentence == "Full."
    assert facts.alerts[0].time == datetime(2018, 6, 16, 7, 31)


def test_fallback_of_the_cycle_or_of_the_file_is_told(configuration: Configuration) -> None:
    latest = issue(configuration)
    latest["forecasters"]["unet"]["fallback"] = "Its file is gone."
    facts = facts_of(configuration, latest=latest)
    assert facts.sky is not None
    assert [made.fallback for made in facts.sky.forecasts] == [None, None, "Its file is gone."]


def test_links_lead_to_the_newest_reports(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert list(links(folders).values()) == ["status.json"]
    for day in ("2018-06-14", "2018-06-15", "2018-06-16"):
        (folders.reports / "daily" / day).mkdir(parents=True)
    for day in ("2018-06-14", "2018-06-15"):
        (folders.reports / "daily" / day / "report.html").write_text("")
    assert list(links(folders).values()) == ["reports/daily/2018-06-15/report.html", "status.json"]


@pytest.mark.real
def test_page_of_a_real_radar_is_small(data_dir: Path, tmp_path: Path) -> None:
    event = data_dir / "radar" / "bom_netcdf" / "melbourne_20180616"
    store = tmp_path / "melbourne.zarr"
    ingest(sorted(event.glob("*.nc"))[-14:], store)
    configuration = Configuration(store=str(store), out=tmp_path / "service")
    status = make_status(store, latest=issue(configuration))
    path = write_live(configuration, status)
    assert 100_000 < path.stat().st_size < 3_000_000


def test_damaged_store_is_a_problem_told_once(tmp_path: Path) -> None:
    store = tmp_path / "damaged.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    configuration = Configuration(store=str(store), out=tmp_path / "service")
    with pytest.raises(ValueError, match="expected a store of version") as error:
        Store.open(store)
    told = str(error.value)
    status = Status(made=datetime.now(UTC), store=str(store), healthy=False, problems=(told,))
    assert live_facts(configuration, status).problems == (told,)
    assert live_facts(configuration, status.model_copy(update={"problems": ()})).problems == (told,)

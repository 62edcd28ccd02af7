"""The status of the service, from an empty folder to one with trouble."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flows.commands.status import status as status_command
from flows.forecasting import issue_forecast
from flows.service import drift as drifting
from flows.service import status as looking
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.journal import note
from flows.service.latency import Cycle, Latency
from flows.service.skill import score_due
from flows.service.status import Status, look
from flows.training import provenance_of
from nowcast.checkpoint import save_checkpoint
from nowcast.recipes import find_recipe
from pipeline.clock import clock
from pipeline.forecasts import write_forecast
from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.reflectivity import ZR
from pipeline.store import Store
from pipeline.tensors import build_tensors
from pipeline.writer import StoreWriter

MINUTES = np.timedelta64(1, "m")
FIRST = np.datetime64("2026-06-01T00:00", "ns")
FIVE = 5 * MINUTES

Change = Callable[..., Configuration]


@pytest.fixture
def configured(tmp_path: Path, storm_store: Path) -> Change:
    """A configuration on the storms' store, but for the changes."""

    def configuration(**changes: Any) -> Configuration:
        alerts = {"disk_free_gb": 0, **changes.pop("alerts", {})}
        given = {"store": str(storm_store), "out": tmp_path / "service", **changes}
        return Configuration(**given, alerts=alerts)

    return configuration


@pytest.fixture
def newest(storm_store: Path) -> np.datetime64:
    found = Store.open(storm_store).newest()
    assert found is not None
    return found


def iso(time: np.datetime64) -> str:
    return str(time.astype("datetime64[ms]")) + "Z"


def cycle(
    configuration: Configuration, issue_time: np.datetime64, seconds: float = 2.0, **changes: Any
) -> None:
    """A line of the journal of cycles."""
    arrived = issue_time + 90 * np.timedelta64(1, "s")
    published = arrived + np.timedelta64(round(1000 * seconds), "ms")
    line = {
        "issue_time": str(issue_time.astype("datetime64[m]")),
        "arrived": iso(arrived),
        "seen": iso(arrived),
        "stored": iso(arrived + np.timedelta64(700, "ms")),
        "started": iso(arrived),
        "published": iso(published),
        "forecasters": {"extrapolation": {"seconds": 0.2}},
    }
    folders = Folders(configuration.out)
    note(folders.day(folders.cycles, issue_time), line | changes)


def long_store(address: Path, slots: int, lost: tuple[int, ...], grid: Grid) -> Store:
    """A store of drizzle with a frame every five minutes but for those lost."""
    Store.create(address, grid, ZR(200, 1.6), product="made_up", cadence=FIVE)
    drizzle = np.full(grid.shape, 12.0, np.float32)
    with StoreWriter(address) as writer:
        writer.fill(
            [
                PackedFrame.of(drizzle, FIRST + slot * FIVE, f"{slot}.nc", ZR(200, 1.6))
                for slot in range(slots)
                if slot not in lost
            ]
        )
    return Store.open(address)


def plain(status: Status) -> Any:
    """The status as a program reads it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"found {constant} in JSON")

    return json.loads(status.model_dump_json(), parse_constant=refuse)


def test_a_service_that_is_well_has_no_problem(
    configured: Change, newest: np.datetime64, storm_store: Path
) -> None:
    configuration = configured()
    cycle(configuration, newest)
    status = look(configuration, newest + 4 * MINUTES)
    assert (status.healthy, status.problems) == (True, ())
    assert (status.store, status.product) == (str(storm_store), "storms")
    assert status.age_minutes == 4
    assert (status.frames_last_day, status.missing_last_day) == (33, 1)
    assert status.newest_frame is not None
    assert status.newest_frame.isoformat() == "2026-06-01T03:18:00+00:00"
    ((first, last),) = status.gaps
    assert first == last == looking.moment(FIRST + 54 * MINUTES)
    assert status.network is status.drift is status.skill is None
    assert status.disk is not None
    assert 0 < status.disk.free_gb <= status.disk.total_gb


def test_a_store_that_is_not_there_is_a_problem_and_no_more(
    configured: Change, tmp_path: Path
) -> None:
    status = look(configured(store=str(tmp_path / "nowhere.zarr")), FIRST)
    assert not status.healthy
    (problem,) = status.problems
    assert "nowhere.zarr: no store here; make one with `nowcast ingest" in problem
    assert status.product is status.newest_frame is status.age_minutes is status.latest is None
    assert not (tmp_path / "service").exists()


def test_what_is_no_store_is_a_problem(configured: Change, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").write_text("nothing of radar")
    status = look(configured(store=str(tmp_path / "else")), FIRST)
    (problem,) = status.problems
    assert "else: expected a zarr store of radar frames, found none" in problem


def test_a_store_without_a_frame_is_a_problem(
    configured: Change, tmp_path: Path, small_grid: Grid
) -> None:
    address = tmp_path / "empty.zarr"
    Store.create(address, small_grid, ZR(200, 1.6), product="made_up", cadence=FIVE)
    status = look(configured(store=str(address)), FIRST)
    assert status.product == "made_up"
    (problem,) = status.problems
    assert "empty.zarr: the store holds no frame yet; see what is in incoming" in problem


@pytest.mark.parametrize(
    ("minutes", "said"), [(19, None), (21, "21 minutes"), (300, "5 hours"), (9000, "6 days")]
)
def test_a_newest_frame_that_is_old_is_a_problem(
    configured: Change, newest: np.datetime64, minutes: int, said: str | None
) -> None:
    configuration = configured(alerts={"stale_minutes": 20})
    cycle(configuration, newest)
    status = look(configuration, newest + minutes * MINUTES)
    expected = f"the newest frame is {said} old, expected at most 20 minutes; see what arrives in"
    assert [problem.startswith(expected) for problem in status.problems] == [True] * bool(said)
    assert status.age_minutes == minutes


def test_a_frame_of_the_future_has_no_age(configured: Change, newest: np.datetime64) -> None:
    assert look(configured(), newest - 10 * MINUTES).age_minutes == 0


def test_the_last_day_ends_with_the_newest_frame_and_counts_every_slot(
    configured: Change, tmp_path: Path, small_grid: Grid
) -> None:
    # the day's slots are 13 … 300: one gap reaches in from before, one lies before
    lost = (4, 5, 11, 12, 13, 14, 100, 298, 299)
    store = long_store(tmp_path / "long.zarr", 301, lost, small_grid)
    status = look(configured(store=str(store.address)), FIRST + 301 * FIVE)
    assert status.frames_last_day + status.missing_last_day == 288
    assert status.missing_last_day == 5
    slots = [
        (looking.moment(FIRST + a * FIVE), looking.moment(FIRST + b * FIVE))
        for a, b in ((13, 14), (100, 100), (298, 299))
    ]
    assert list(status.gaps) == slots


def test_latency_is_that_of_the_days_cycles(configured: Change, newest: np.datetime64) -> None:
    configuration = configured()
    for number in range(21):
        cycle(configuration, newest - number * 6 * MINUTES, 1.0 + number)
    cycle(configuration, newest - 24 * 60 * MINUTES, 999.0)
    cycle(configuration, newest - 127 * MINUTES, arrived=None)
    found = look(configuration, newest).latency
    assert (found.count, found.p50, found.p95, found.max) == (21, 11.0, 20.0, 21.0)


def test_without_a_cycle_there_is_no_latency() -> None:
    assert Latency.of([]) == Latency(count=0, p50=None, p95=None, max=None)


def test_latency_counts_from_arrival_to_the_last_forecast() -> None:
    times = {"arrived": "2026-11-21T15:00:00.123Z", "published": "2026-11-21T15:00:02.623Z"}
    assert Cycle(issue_time="2018-06-16T12:06", **times).latency == 2.5


def test_the_newest_cycle_is_told_and_lines_that_are_none_are_left_out(
    configured: Change, newest: np.datetime64
) -> None:
    configuration = configured()
    made = {"extrapolation": {"seconds": 0.2}, "persistence": {"seconds": 0.1}}
    cycle(configuration, newest, forecasters=made)
    cycle(configuration, newest - 6 * MINUTES)
    journal = next(Folders(configuration.out).cycles.glob("*.jsonl"))
    with journal.open("a") as lines:
        lines.write('{"issue_time": "2026-06-01T03:24"}\n{"issue_ti')
    status = look(configuration, newest)
    assert status.latest is not None
    assert status.latest.issue_time == looking.moment(newest)
    assert status.latest.forecasters["extrapolation"].seconds == 0.2
    assert sorted(status.latest.forecasters) == ["extrapolation", "persistence"]
    assert status.last_ingest is not None
    assert status.last_ingest.isoformat() == "2026-06-01T03:19:30.700000+00:00"


def test_a_forecast_that_another_made_is_a_problem(
    configured: Change, newest: np.datetime64
) -> None:
    configuration = configured()
    made = {"unet": {"seconds": 0.2, "fallback": "a.safetensors: no such checkpoint"}}
    cycle(configuration, newest, forecasters=made)
    status = look(configuration, newest)
    assert status.problems == (
        "extrapolation stands in for unet: a.safetensors: no such checkpoint",
    )


def test_frames_that_nobody_forecasts_from_are_a_problem(
    configured: Change, newest: np.datetime64
) -> None:
    configuration = configured()
    assert look(configuration, newest).problems == ("no forecast was made yet",)
    cycle(configuration, newest - 30 * MINUTES)
    (problem,) = look(configuration, newest).problems
    assert problem == (
        "the newest frame is of 2026-06-01 03:18 UTC, the newest forecast of 2026-06-01 02:48"
    )


def test_a_disk_that_fills_up_is_a_problem(configured: Change, newest: np.datetime64) -> None:
    configuration = configured(alerts={"disk_free_gb": 1e6})
    cycle(configuration, newest)
    (problem,) = look(configuration, newest).problems
    assert "GB are free, expected at least 1e+06; make room" in problem


def test_a_network_that_is_not_there_and_a_damaged_record_are_problems(
    configured: Change, newest: np.datetime64, tmp_path: Path
) -> None:
    configuration = configured(checkpoint=tmp_path / "gone.safetensors")
    cycle(configuration, newest)
    status = look(configuration, newest)
    (problem,) = status.problems
    assert "gone.safetensors: expected the network in service, found no such file" in problem
    assert status.drift is None
    record = Folders(configuration.out).models / "in-service.json"
    record.parent.mkdir()
    record.write_text("{")
    (problem,) = look(configuration, newest).problems
    assert problem.startswith(f"{record}: expected the network in service as JSON")


def test_skill_and_drift_of_the_network_in_service_are_told(
    configured: Change,
    newest: np.datetime64,
    tmp_path: Path,
    storm_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drifting, "SAMPLED", 100)
    recipe, path = find_recipe("unet-demo"), tmp_path / "best.safetensors"
    tensors = build_tensors(Store.open(storm_store), tmp_path / "tensors")
    save_checkpoint(path, recipe.build_network(), recipe, 1, {}, provenance_of([tensors]))
    configuration = configured(checkpoint=path)
    folders, at = Folders(configuration.out), newest - 60 * MINUTES
    for name in ("persistence", "extrapolation"):
        forecast = issue_forecast(str(storm_store), name, clock(at))
        write_forecast(folders.forecast(at, name), forecast)
    assert score_due(configuration, folders) == 1
    cycle(configuration, newest)
    status = look(configuration, newest)
    assert status.healthy
    assert status.network is not None
    assert (status.network.name, status.network.checkpoint) == ("unet-demo", str(path))
    assert status.drift is not None
    store = Store.open(storm_store)
    wet = np.average(store.wet_share[store.observed], weights=store.observed_share[store.observed])
    assert status.drift.wet_share_today == pytest.approx(wet, abs=1e-5)
    assert "of the last day" in status.drift.sentence
    assert status.skill is not None
    assert status.skill.issue_times == 1
    assert list(status.skill.versus_extrapolation) == ["persistence"]
    assert Status.model_validate(plain(status)) == status


def test_the_last_ten_alerts_are_told(configured: Change, newest: np.datetime64) -> None:
    configuration = configured()
    for number in range(12):
        note(Folders(configuration.out).alerts, {"kind": "disk", "number": number})
    told = look(configuration, newest).alerts
    assert [alert["number"] for alert in told] == list(range(2, 12))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs `status` with a configuration file."""
    app = typer.Typer()
    app.command()(status_command)

    def status(configuration: Configuration, *words: str) -> Any:
        file = tmp_path / "nowcast.toml"
        lines = [f'store = "{configuration.store}"', f'out = "{configuration.out}"']
        lines += ["[alerts]", f"stale_minutes = {configuration.alerts.stale_minutes}"]
        file.write_text("\n".join([*lines, "disk_free_gb = 0"]))
        return CliRunner().invoke(app, ["--config", str(file), *words])

    return status


def test_the_command_ends_with_0_where_all_is_well_and_with_1_where_not(
    run: Callable[..., Any], configured: Change, newest: np.datetime64, storm_store: Path
) -> None:
    ages = configured(alerts={"stale_minutes": 1e9})
    cycle(ages, newest)
    well = run(ages)
    assert well.exit_code == 0
    assert str(storm_store) in well.stdout
    for shown in (
        "healthy",
        "2026-06-01 03:18 UTC",
        "33 frames, 1 missing",
        "2026-06-01 00:54",
        "extrapolation in 0.2 s",
        "half within 2.0 s",
        "nothing scored yet",
        "GB free",
    ):
        assert shown in well.stdout
    ill = run(configured(alerts={"stale_minutes": 20}))
    assert ill.exit_code == 1
    assert "days old, expected at most 20 minutes" in " ".join(ill.stdout.split())


def test_the_command_tells_programs_the_same(
    run: Callable[..., Any], configured: Change, tmp_path: Path
) -> None:
    told = run(configured(store=str(tmp_path / "nowhere.zarr")), "--json")
    assert told.exit_code == 1
    status = Status.model_validate_json(told.stdout)
    assert not status.healthy
    assert "no store here" in status.problems[0]


def test_journals_that_cannot_be_read_are_a_problem_and_no_more(
    configured: Change, newest: np.datetime64
) -> None:
    configuration = configured()
    for journal in ("cycles", "skill"):
        path = Folders(configuration.out).out / journal / "20260601.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\xff\xfe\x00 no text")
    Folders(configuration.out).alerts.write_bytes(b"\xff\xfe\x00 no text")
    status = look(configuration, newest)
    assert not status.healthy
    assert sum("codec can't decode" in problem for problem in status.problems) == 2
    assert status.newest_frame is not None

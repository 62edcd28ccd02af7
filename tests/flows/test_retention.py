from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from flows.service import retention
from flows.service.configuration import Configuration, Retention
from flows.service.folders import Folders
from flows.service.moments import moment
from flows.service.prefect_history import Forgotten
from flows.service.promotion import InService
from flows.service.retention import LARGEST_LOG, tidy
from flows.service.whole import write_whole

NOW = np.datetime64("2026-11-21T03:30", "ns")
KEPT = Retention(forecasts_days=14, reports_days=90, logs_days=14, runs_days=30, models=2)


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(out=tmp_path / "service", retention=KEPT)


@pytest.fixture
def folders(configuration: Configuration) -> Folders:
    return Folders(configuration.out)


def put(path: Path, days_ago: float, size: int = 10) -> Path:
    """A file that was last written some days before NOW."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    age(path, days_ago)
    return path


def age(path: Path, days_ago: float) -> None:
    written = (moment(NOW) - timedelta(days=days_ago)).timestamp()
    os.utime(path, (written, written))


def test_an_empty_folder_and_none_are_tidy(configuration: Configuration) -> None:
    tidied = tidy(configuration, NOW)
    assert tidied.sentence() == "nothing was old enough to be removed"
    assert not configuration.out.exists()


def test_days_of_forecasts_go_when_they_are_over_long_enough(
    configuration: Configuration, folders: Folders
) -> None:
    old = put(folders.forecasts / "20261106" / "20261106T1200Z-extrapolation.nc", 15, 1000)
    put(folders.forecasts / "20261106" / ".20261106T1206Z-unet.nc.17", 15, 500)
    young = put(folders.forecasts / "20261107" / "20261107T1200Z-extrapolation.nc", 13)
    tidied = tidy(configuration, NOW)
    assert not old.parent.exists()
    assert young.exists()
    assert (tidied.files, tidied.freed) == ({"forecasts": 2}, {"forecasts": 1500})
    assert tidied.sentence() == "removed 2 files of forecasts (0.0 MB)"
    assert tidy(configuration, NOW).files == {}


def test_forecasts_of_old_frames_made_lately_are_kept(
    configuration: Configuration, folders: Folders
) -> None:
    day = folders.forecasts / "20180616"
    put(day / "20180616T1200Z-extrapolation.nc", 200)
    replayed = put(day / "20180616T1206Z-extrapolation.nc", 1)
    assert tidy(configuration, NOW).files == {}
    age(replayed, 15)
    assert tidy(configuration, NOW).files == {"forecasts": 2}


def test_journals_and_reports_are_kept_for_as_long_as_reports(
    configuration: Configuration, folders: Folders
) -> None:
    old = [
        put(folders.cycles / "20260801.jsonl", 111),
        put(folders.skill / "20260801.jsonl", 111),
        put(folders.reports / "daily" / "2026-08-01" / "report.html", 111),
        put(folders.reports / "weekly" / "2026-08-02" / "parts" / "0.nc", 111),
    ]
    young = [
        put(folders.cycles / "20261001.jsonl", 51),
        put(folders.skill / "20261001.jsonl", 51),
        put(folders.reports / "daily" / "2026-10-01" / "report.html", 51),
    ]
    assert tidy(configuration, NOW).files == {"cycles": 1, "skill": 1, "reports": 2}
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)


def test_what_the_service_does_not_name_is_left(
    configuration: Configuration, folders: Folders, tmp_path: Path
) -> None:
    others = [
        put(folders.forecasts / "verify-2018" / "f.nc", 900),
        put(folders.forecasts / "20261399" / "f.nc", 900),
        put(folders.reports / "2026-01-01" / "report.html", 900),
        put(folders.models / "mine" / "best.safetensors", 900),
        put(folders.models / "history.jsonl", 900),
        put(folders.alerts, 900),
        put(folders.out / "20260101" / "x", 900),
        put(tmp_path / "20260101" / "x", 900),
    ]
    assert tidy(configuration, NOW).files == {}
    assert all(path.exists() for path in others)


def trainings(folders: Folders, count: int) -> list[Path]:
    names = [f"202611{day:02}T0200Z" for day in range(1, count + 1)]
    return [put(folders.models / name / "run" / "best.safetensors", 1) for name in names]


def test_the_newest_networks_and_the_one_in_service_are_kept(
    configuration: Configuration, folders: Folders
) -> None:
    networks = trainings(folders, 5)
    place = networks[0].relative_to(folders.models)
    record = InService(checkpoint=place, name="tiny", since="2026-11-01T02:00:00.000Z", why="Best.")
    write_whole(folders.models / "in-service.json", record)
    assert tidy(configuration, NOW).files == {"models": 2}
    assert [path.exists() for path in networks] == [True, False, False, True, True]


def test_networks_that_the_configuration_names_are_kept(
    configuration: Configuration, folders: Folders
) -> None:
    networks = trainings(folders, 5)
    named = configuration.model_copy(
        update={"checkpoint": networks[0], "forecasters": ("extrapolation", str(networks[1]))}
    )
    assert tidy(named, NOW).files == {"models": 1}
    assert [path.exists() for path in networks] == [True, True, False, True, True]


def test_no_network_goes_while_the_one_in_service_is_not_known(
    configuration: Configuration, folders: Folders
) -> None:
    networks = trainings(folders, 5)
    put(folders.models / "in-service.json", 1)
    tidied = tidy(configuration, NOW)
    assert "in-service.json: expected the network in service as JSON" in tidied.sentence()
    assert all(path.exists() for path in networks)


def test_links_are_neither_followed_nor_removed(
    configuration: Configuration, folders: Folders, tmp_path: Path
) -> None:
    elsewhere = put(tmp_path / "disk" / "20260101" / "f.nc", 300)
    folders.out.mkdir()
    folders.forecasts.symlink_to(elsewhere.parents[1])
    folders.reports.mkdir()
    (folders.reports / "daily").symlink_to(elsewhere.parents[1])
    folders.cycles.mkdir()
    (folders.cycles / "20260101.jsonl").symlink_to(elsewhere)
    day = folders.skill / "20260101"
    put(day / "x", 300)
    (day / "link").symlink_to(elsewhere.parent)
    os.utime(day / "link", (0, 0), follow_symlinks=False)
    tidied = tidy(configuration, NOW)
    assert elsewhere.exists()
    assert (folders.cycles / "20260101.jsonl").is_symlink()
    assert not day.exists()
    assert len(tidied.errors) == 2
    assert tidied.errors[0].endswith(
        "forecasts: expected a folder, found a link; tidy up what it leads to by hand"
    )


def test_the_folder_of_the_service_itself_may_be_a_link(
    configuration: Configuration, folders: Folders, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    folders.out.symlink_to(tmp_path / "disk")
    put(folders.forecasts / "20260101" / "f.nc", 300)
    tidied = tidy(configuration, NOW)
    assert (tidied.files, tidied.errors) == ({"forecasts": 1}, [])


def test_a_large_log_is_cut_while_somebody_writes_it(
    configuration: Configuration, folders: Folders
) -> None:
    log = put(folders.logs / "worker.log", 0, LARGEST_LOG + 1)
    small = put(folders.logs / "server.log", 0, LARGEST_LOG)
    with log.open("ab", buffering=0) as writer:
        tidy(configuration, NOW)
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (folders.logs / "worker.log.1").stat().st_size == LARGEST_LOG + 1
    assert small.stat().st_size == LARGEST_LOG


def test_old_logs_are_removed_and_one_that_may_be_open_is_emptied(
    configuration: Configuration, folders: Folders
) -> None:
    cut = put(folders.logs / "worker.log.1", 15)
    quiet = put(folders.logs / "server.log", 15)
    recent = put(folders.logs / "server.log.1", 13)
    assert tidy(configuration, NOW).files == {"logs": 2}
    assert not cut.exists()
    assert quiet.read_bytes() == b""
    assert recent.exists()


def test_what_cannot_be_removed_is_told_and_the_rest_goes_on(
    configuration: Configuration, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = put(folders.forecasts / "20261001" / "f.nc", 60)
    old = put(folders.cycles / "20260101.jsonl", 300)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(retention.shutil, "rmtree", refuse)
    tidied = tidy(configuration, NOW)
    assert tidied.errors == [
        f"{stuck.parent}: expected to remove it, found Permission denied; look at it"
    ]
    assert tidied.files == {"cycles": 1}
    assert not old.exists()


def test_runs_of_prefect_are_forgotten_where_a_server_is_named(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def forget(before: datetime) -> Forgotten:
        asked.append(before)
        return Forgotten(3, 2, ("Prefect: it is slow",))

    monkeypatch.setattr(retention, "forget_prefect_runs", forget)
    assert tidy(configuration, NOW).prefect_runs == 0
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    told = tidy(configuration, NOW).sentence()
    assert told == "removed 3 runs of Prefect; Prefect: it is slow"
    assert asked == [moment(NOW) - timedelta(days=30)]


def test_a_server_that_does_not_answer_is_told(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    nobody = "http://127.0.0.1:9/api"
    monkeypatch.setenv("PREFECT_API_URL", nobody)
    with temporary_settings({PREFECT_API_URL: nobody, PREFECT_CLIENT_MAX_RETRIES: 0}):
        tidied = tidy(configuration, NOW)
    assert tidied.errors[0].startswith("Prefect: expected to remove old runs, found ")

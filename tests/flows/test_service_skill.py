"""Forecasts whose time is over are scored once, on the same pixels, as verification does."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import zarr

from flows.forecasting import issue_forecast
from flows.service import skill as scoring
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.journal import newest_days, note, records
from flows.service.skill import Events, Scored, Skill, read_scored, score_due
from flows.verification import Comparison
from pipeline.clock import clock
from pipeline.forecasts import write_forecast
from pipeline.layout import STATUSES
from pipeline.store import Store

MINUTES = np.timedelta64(1, "m")
NAMES = ("persistence", "extrapolation")


@pytest.fixture
def configuration(tmp_path: Path, storm_store: Path) -> Configuration:
    return Configuration(store=str(storm_store), out=tmp_path / "service")


@pytest.fixture
def folders(configuration: Configuration) -> Folders:
    return Folders(configuration.out)


@pytest.fixture
def newest(storm_store: Path) -> np.datetime64:
    found = Store.open(storm_store).newest()
    assert found is not None
    return found


def issue(
    configuration: Configuration, at: np.datetime64, *names: str, **attributes: str
) -> list[Path]:
    """Forecasts of an issue time, as a cycle leaves them."""
    folders = Folders(configuration.out)
    return [
        write_forecast(
            folders.forecast(at, name),
            issue_forecast(configuration.store, name, clock(at)).assign_attrs(attributes),
        )
        for name in names
    ]


def counted(configuration: Configuration, at: np.datetime64) -> dict[str, np.ndarray]:
    """(3, L) hits, misses and false alarms at 1 mm/h as verification counts them."""
    comparison = Comparison.of(Store.open(configuration.store), NAMES, 60)
    slot = comparison.store.slot(at)
    tally = comparison.tally()
    tally.update(at, comparison.forecast(slot), comparison.observed(slot))
    sums = tally.sums().isel(issue_time=0).sel(threshold=1.0)
    return {
        name: np.stack([sums[kind].sel(forecaster=name) for kind in Events.model_fields])
        for name in NAMES
    }


def test_a_line_holds_what_verification_counts(
    configuration: Configuration, folders: Folders, newest: np.datetime64
) -> None:
    at = newest - 66 * MINUTES
    issue(configuration, at, *NAMES)
    assert score_due(configuration, folders) == 1
    (line,) = records(newest_days(folders.skill, 9))
    assert line["issue_time"] == clock(at).replace(" ", "T")
    assert line["lead_minutes"] == list(range(6, 61, 6))
    expected = counted(configuration, at)
    assert sorted(line["forecasters"]) == sorted(NAMES)
    for name, sums in expected.items():
        found = line["forecasters"][name]
        assert [found[kind] for kind in Events.model_fields] == sums.tolist()
        assert sums.sum() > 100


def test_an_issue_time_is_scored_when_its_last_valid_time_has_passed_and_once(
    configuration: Configuration, folders: Folders, newest: np.datetime64
) -> None:
    for ago in (48, 54, 60, 66):
        issue(configuration, newest - ago * MINUTES, "persistence")
    assert score_due(configuration, folders) == 2
    assert score_due(configuration, folders) == 0
    scored = [line.issue_time for line in read_scored(folders.skill)]
    expected = [newest - ago * MINUTES for ago in (60, 66)]
    assert [np.datetime64(time.replace(tzinfo=None), "ns") for time in scored] == expected


def test_valid_times_without_a_frame_count_nothing(
    configuration: Configuration, newest: np.datetime64, tmp_path: Path
) -> None:
    at, gap = newest - 66 * MINUTES, 2
    whole = counted(configuration, at)
    address = shutil.copytree(configuration.store, tmp_path / "store.zarr")
    status = zarr.open_group(address, mode="r+", use_consolidated=False)["status"]
    status[Store.open(address).slot(at) + 1 + gap] = STATUSES.index("missing")
    other = configuration.model_copy(update={"store": str(address)})
    issue(other, at, *NAMES)
    assert score_due(other, Folders(other.out)) == 1
    (line,) = read_scored(Folders(other.out).skill)
    for name, events in line.forecasters.items():
        assert whole[name][:, gap].any()
        whole[name][:, gap] = 0
        assert [events.hits, events.misses, events.false_alarms] == [
            tuple(row) for row in whole[name].tolist()
        ]


def test_a_forecast_that_another_made_and_one_that_does_not_fit_are_left_out(
    configuration: Configuration, folders: Folders, newest: np.datetime64
) -> None:
    at = newest - 60 * MINUTES
    issue(configuration, at, *NAMES)
    instead = issue_forecast(configuration.store, "extrapolation", clock(at))
    write_forecast(folders.forecast(at, "unet"), instead.assign_attrs(fallback="no such file"))
    write_forecast(folders.forecast(at, "other"), instead.isel(y=slice(0, 30)))
    write_forecast(folders.forecast(at, "short"), instead.isel(lead_time=slice(0, 3)))
    folders.forecast(at, "cut").write_bytes(b"half a file")
    assert score_due(configuration, folders) == 1
    (line,) = read_scored(folders.skill)
    assert sorted(line.forecasters) == sorted(NAMES)


def test_an_issue_time_of_which_nothing_can_be_read_is_not_tried_again(
    configuration: Configuration, folders: Folders, newest: np.datetime64
) -> None:
    for name in ("unet", "convlstm"):
        path = folders.forecast(newest - 60 * MINUTES, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half a file")
    (path.parent / "notes-of-mine.nc").write_bytes(b"")
    assert score_due(configuration, folders) == 1
    assert score_due(configuration, folders) == 0
    assert Skill.of(read_scored(folders.skill)) is None


def test_an_issue_time_that_cannot_be_compared_stops_no_other(
    configuration: Configuration,
    folders: Folders,
    newest: np.datetime64,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, damaged, between = [newest - ago * MINUTES for ago in (60, 66, 67)]
    (path,) = issue(configuration, whole, "persistence")
    shutil.copy(path, folders.forecast(between, "persistence"))
    issue(configuration, damaged, "persistence")
    read = Store.dbz

    def dbz(self: Store, start: int, stop: int) -> np.ndarray:
        if start == self.slot(damaged) + 1:
            raise RuntimeError("a damaged frame")
        return read(self, start, stop)

    monkeypatch.setattr(Store, "dbz", dbz)
    assert score_due(configuration, folders) == 3
    counts = {line.issue_time.minute: len(line.forecasters) for line in read_scored(folders.skill)}
    assert counts == {18: 1, 12: 0, 11: 0}


def test_after_a_long_stop_the_newest_are_scored_first_and_the_rest_later(
    configuration: Configuration,
    folders: Folders,
    newest: np.datetime64,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "MOST", 2)
    for ago in (60, 66, 72):
        issue(configuration, newest - ago * MINUTES, "persistence")
    assert score_due(configuration, folders) == 2
    first = [line.issue_time for line in read_scored(folders.skill)]
    assert score_due(configuration, folders) == 1
    last = [line.issue_time for line in read_scored(folders.skill)][-1]
    assert first[0] > first[1] > last


def test_nothing_is_due_without_a_store_and_without_forecasts(
    configuration: Configuration, folders: Folders, tmp_path: Path
) -> None:
    assert score_due(configuration, folders) == 0
    nowhere = configuration.model_copy(update={"store": str(tmp_path / "nowhere")})
    assert score_due(nowhere, folders) == 0
    assert not folders.out.exists()


def line(minute: int, leads: tuple[int, ...] = (5, 10), **forecasters: list[list[int]]) -> Scored:
    events = {
        name: Events(hits=hits, misses=misses, false_alarms=false)
        for name, (hits, misses, false) in forecasters.items()
    }
    time = datetime(2026, 6, 1, 0, minute, tzinfo=UTC)
    return Scored(issue_time=time, threshold=1.0, lead_minutes=leads, forecasters=events)


def test_a_days_skill_is_read_from_sums_not_averaged() -> None:
    skill = Skill.of(
        [
            line(0, unet=[[90, 10], [5, 10], [5, 10]]),
            line(5, unet=[[0, 0], [10, 0], [0, 0]]),
        ]
    )
    assert skill is not None
    assert skill.csi == {
        "unet": (pytest.approx(90 / 110, abs=1e-6), pytest.approx(1 / 3, abs=1e-6))
    }
    assert (skill.issue_times, skill.lead_minutes) == (2, (5, 10))


def test_a_lead_without_any_event_has_no_score() -> None:
    skill = Skill.of([line(0, unet=[[1, 0], [0, 0], [0, 0]])])
    assert skill is not None
    assert skill.csi == {"unet": (1.0, None)}
    assert skill.versus_extrapolation == {"unet": None}


def test_against_extrapolation_counts_the_issue_times_that_both_have() -> None:
    skill = Skill.of(
        [
            line(0, unet=[[3, 1], [1, 1], [0, 2]], extrapolation=[[2, 0], [2, 2], [0, 0]]),
            line(5, extrapolation=[[50, 50], [0, 0], [0, 0]]),
        ]
    )
    assert skill is not None
    assert skill.versus_extrapolation == {"unet": pytest.approx(4 / 8 - 2 / 6, abs=1e-6)}


def test_lines_of_other_lead_times_pool_by_lead() -> None:
    lines = [
        line(0, (5, 10), unet=[[1, 1], [0, 0], [0, 0]]),
        line(5, (10, 20), unet=[[0, 0], [1, 1], [0, 0]]),
    ]
    skill = Skill.of(lines)
    assert skill is not None
    assert skill.lead_minutes == (5, 10, 20)
    assert skill.csi == {"unet": (1.0, 0.5, 0.0)}


def test_a_line_that_is_none_is_left_out(folders: Folders) -> None:
    day = folders.skill / "20260601.jsonl"
    note(day, {"issue_time": "2026-06-01T00:00", "what": "is this"})
    note(day, line(5, unet=[[1, 0], [0, 0], [0, 0]]).model_dump(mode="json"))
    assert [scored.issue_time.minute for scored in read_scored(folders.skill)] == [5]

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from flows.service.configuration import Configuration
from flows.service.cycle import due_slots, forecast_due
from flows.service.folders import Folders
from flows.service.intake import take_in
from flows.service.journal import records
from flows.service.publication import issue_at, keep_current
from flows.service.reports import issued_files, verify_span
from flows.service.status import Status
from pipeline.forecasts import read_forecast
from pipeline.store import Store


@pytest.fixture
def service(tmp_path: Path, storm_files: list[Path]) -> Configuration:
    """Twelve frames of a storm have arrived."""
    inbox = tmp_path / "incoming"
    inbox.mkdir()
    for file in storm_files[:12]:
        shutil.copy(file, inbox)
    return Configuration(product="storms", catch_up_minutes=0).rooted(tmp_path)


def arrive(service: Configuration, files: list[Path]) -> None:
    for file in files:
        shutil.copy(file, service.inbox)


def cycles(service: Configuration) -> list[dict[str, str]]:
    return list(records(sorted(Folders(service.out).cycles.glob("*.jsonl"))))


def test_files_that_arrive_are_stored_once(service: Configuration) -> None:
    first = take_in(service)
    assert first.changed
    assert Store.open(service.store).observed.sum() == 12
    again = take_in(service)
    assert (again.files, again.changed) == (0, False)


def test_a_corrupt_file_is_refused_and_the_others_go_in(service: Configuration) -> None:
    (service.inbox / "corrupt.nc").write_bytes(b"CDF and no more")
    intake = take_in(service)
    assert intake.report is not None
    assert [refusal.path.name for refusal in intake.report.refused] == ["corrupt.nc"]
    assert f"corrupt.nc: {intake.report.refused[0].reason}" in intake.sentence()
    assert Store.open(service.store).observed.sum() == 12


def test_only_the_newest_frame_is_forecast_from_after_a_pause(service: Configuration) -> None:
    take_in(service)
    issued = forecast_due(service)
    newest = Store.open(service.store).newest()
    assert [each.issue_time for each in issued] == [newest]
    assert forecast_due(service) == []


def test_frames_of_the_time_to_catch_up_are_forecast_from_newest_first(
    service: Configuration,
) -> None:
    take_in(service)
    patient = service.model_copy(update={"catch_up_minutes": 18})
    times = [each.issue_time for each in forecast_due(patient)]
    newest = Store.open(service.store).newest()
    assert times[0] == newest
    assert times == sorted(times, reverse=True)
    # the frame 18 minutes before the newest was lost
    assert newest - times[-1] == np.timedelta64(12, "m")
    assert len(times) == 3


def test_a_frame_that_comes_meanwhile_is_forecast_from_too(
    service: Configuration, storm_files: list[Path]
) -> None:
    take_in(service)

    def more(_: object) -> None:
        arrive(service, storm_files[12:13])
        take_in(service)

    assert len(forecast_due(service, more)) == 2


def test_a_network_that_cannot_be_used_is_replaced_and_says_so(service: Configuration) -> None:
    take_in(service)
    broken = service.model_copy(update={"checkpoint": service.out / "absent.safetensors"})
    (issued,) = forecast_due(broken)
    assert set(issued.fallbacks) == {"absent"}
    folders = Folders(service.out)
    instead = read_forecast(folders.forecast(issued.issue_time, "absent"))
    assert instead.attrs["made_by"] == "extrapolation"
    assert "absent.safetensors" in instead.attrs["fallback"]
    own = read_forecast(folders.forecast(issued.issue_time, "extrapolation"))
    np.testing.assert_array_equal(instead["reflectivity"], own["reflectivity"])
    assert "absent.safetensors" in cycles(service)[0]["forecasters"]["absent"]["fallback"]


def test_a_cycle_leaves_forecasts_a_status_and_a_page(service: Configuration) -> None:
    take_in(service)
    assert "persistence, extrapolation" in keep_current(service)
    folders = Folders(service.out)
    (line,) = cycles(service)
    assert line["arrived"] <= line["seen"] <= line["stored"] <= line["published"]
    status = Status.model_validate_json(folders.status.read_text())
    assert status.frames_last_day == 12
    assert "<html" in folders.live_page.read_text()
    assert keep_current(service) == "nothing is due"


def test_before_any_frame_there_is_a_page_that_says_so(service: Configuration) -> None:
    assert keep_current(service) == "nothing is due"
    assert Folders(service.out).live_page.exists()


def test_an_issue_time_that_is_named_is_forecast_from_again(service: Configuration) -> None:
    take_in(service)
    time = str(Store.open(service.store).newest())
    assert issue_at(service, time).issue_time == issue_at(service, time).issue_time
    with pytest.raises(ValueError, match="no frame at"):
        issue_at(service, "2001-01-01T00:00")


def test_what_was_issued_is_verified(service: Configuration, storm_files: list[Path]) -> None:
    patient = service.model_copy(update={"catch_up_minutes": 30, "lead_minutes": 12})
    take_in(patient)
    forecast_due(patient)
    arrive(patient, storm_files[12:16])
    take_in(patient)
    store = Store.open(service.store)
    period = (str(store.times[0]), str(store.times[-1]))
    published = verify_span(patient, "day", period, None, None)
    assert not isinstance(published, str)
    assert set(published.table.index) == {"persistence", "extrapolation"}
    assert published.report.is_relative_to(Folders(service.out).reports / "daily")


def test_a_day_without_forecasts_has_no_report(service: Configuration) -> None:
    told = verify_span(service, "week", (None, None), None, None)
    assert isinstance(told, str)
    assert "nothing to verify" in told
    with pytest.raises(ValueError, match="start and end"):
        verify_span(service, "day", ("2020-01-01", None), None, None)


def test_due_slots_need_a_frame(service: Configuration, tmp_path: Path) -> None:
    take_in(service)
    store = Store.open(service.store)
    slots = due_slots(service.model_copy(update={"catch_up_minutes": 600}), store)
    assert [store.observed[slot] for slot in slots] == [True] * 12
    assert issued_files(service, (store.times[0], store.times[-1])) == ()

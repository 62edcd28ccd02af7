from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.service import alerts
from flows.service.alerts import alarming, raise_alerts
from flows.service.configuration import Configuration
from flows.service.events import ALERT_BEGUN, ALERT_OVER
from flows.service.folders import Folders
from flows.service.journal import records
from flows.service.skill import Skill
from flows.service.status import Disk, Network, Status

WELL: dict[str, Any] = {
    "made": datetime(2026, 6, 1, tzinfo=UTC),
    "store": "radar.zarr",
    "healthy": True,
    "age_minutes": 6.0,
    "disk": Disk(free_gb=50, total_gb=100),
    "network": Network(checkpoint="best.safetensors", name="unet", since="", why=""),
}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration().rooted(tmp_path)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What Prefect was told: event and resource."""
    events: list[tuple[str, str]] = []
    monkeypatch.setattr(
        alerts,
        "emit_event",
        lambda event, resource, **_: events.append((event, resource["prefect.resource.name"])),
    )
    return events


def skill(difference: float, issue_times: int) -> Skill:
    return Skill(issue_times=issue_times, versus_extrapolation={"unet": difference})


def test_nothing_is_told_while_all_is_well(
    configuration: Configuration, told: list[tuple[str, str]]
) -> None:
    assert not raise_alerts(configuration, Status(**WELL))
    assert told == []


def test_an_alert_is_told_when_it_begins_and_when_it_is_over(
    configuration: Configuration, told: list[tuple[str, str]]
) -> None:
    stale = Status(**WELL | {"age_minutes": 300.0})
    assert raise_alerts(configuration, stale)
    assert not raise_alerts(configuration, stale)
    assert raise_alerts(configuration, Status(**WELL))
    assert told == [(ALERT_BEGUN, "stale-data"), (ALERT_OVER, "stale-data")]
    lines = list(records([Folders(configuration.out).alerts]))
    assert "5 hours old" in lines[0]["sentence"]
    assert [line["begun"] for line in lines] == [True, False]


def test_a_full_disk_is_an_alert(configuration: Configuration) -> None:
    status = Status(**WELL | {"disk": Disk(free_gb=1.5, total_gb=100)})
    assert alarming(configuration, status) == {"disk": "1.5 GB are free, expected at least 5"}


@pytest.mark.parametrize(
    ("difference", "issue_times", "alarmed"),
    [(-0.02, 200, True), (-0.02, 5, False), (0.01, 200, False)],
)
def test_a_network_below_extrapolation_for_a_day_is_an_alert(
    configuration: Configuration, difference: float, issue_times: int, alarmed: bool
) -> None:
    status = Status(**WELL | {"skill": skill(difference, issue_times)})
    assert ("below-extrapolation" in alarming(configuration, status)) == alarmed

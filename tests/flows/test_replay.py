"""The service lives through a real event at sixty times its speed, with all that goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.service.status import Status
from pipeline.store import Store
from tests.flows.serving import Service, kill, serving, untrained, wait_until

SPEED = 60
CADENCE = 5 * 60 / SPEED
CORRUPT, ABSENT, TWICE, LATE = 12, 7, (5, 15), {9: 2.5, 18: 1.4}
FRAMES = 30
SERVER_KILLED, WORKER_KILLED = 10.4, 20.4

CONFIGURATION = f"""
checkpoint = "network.safetensors"
cadence_minutes = {CADENCE / 60}
catch_up_minutes = 180
"""

pytestmark = [pytest.mark.slow, pytest.mark.real]


@pytest.fixture(scope="module")
def event(data_dir: Path) -> list[Path]:
    files = sorted((data_dir / "radar/knmi_hdf5/20100826").glob("*.h5"))
    return files[:FRAMES]


def plan(event: list[Path]) -> list[tuple[float, str, str | None]]:
    """When which file comes: late, twice, corrupt or never, as the constants above say."""
    drops: list[tuple[float, str, str | None]] = []
    for slot, path in enumerate(event):
        if slot == ABSENT:
            continue
        second = CADENCE * (slot + LATE.get(slot, 0.0))
        drops.append((second, path.name, None if slot == CORRUPT else str(path)))
        if slot in TWICE:
            drops.append((second + 0.7 * CADENCE, path.name, str(path)))
    return drops


def test_every_good_frame_is_stored_and_forecast_from_whatever_happens(
    tmp_path: Path, event: list[Path]
) -> None:
    drops = plan(event)
    (tmp_path / "plan.json").write_text(json.dumps(drops))
    (tmp_path / "incoming").mkdir()
    good = len(event) - 2
    untrained(tmp_path / "network.safetensors", 5)
    with serving(tmp_path, CONFIGURATION) as service:
        radar = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("dropper.py")), "plan.json", "incoming"],
            cwd=tmp_path,
        )
        begun = time.monotonic()
        for slot, what in ((SERVER_KILLED, "prefect"), (WORKER_KILLED, "worker")):
            time.sleep(max(begun + slot * CADENCE - time.monotonic(), 0))
            kill(service, what)
        assert radar.wait(CADENCE * FRAMES) == 0
        wait_until(lambda: len(service.cycles()) >= good, 120)
        wait_until(lambda: not service.runs("RUNNING", "PENDING", "CANCELLING"), 30)
        check_store(tmp_path / "radar.zarr", event)
        check_forecasts(service, good)
        check_report(service, event)
        check_nothing_is_stuck(service)
        tell(service)


def check_store(path: Path, event: list[Path]) -> None:
    store = Store.open(path)
    sources = [str(name) for name in store.column("source")[store.observed]]
    expected = [file.name for slot, file in enumerate(event) if slot not in (CORRUPT, ABSENT)]
    assert sources == expected
    assert len(set(store.content_hash[store.observed])) == len(expected)


def check_forecasts(service: Service, good: int) -> None:
    issued = [cycle["issue_time"] for cycle in service.cycles()]
    assert len(issued) == len(set(issued)) == good
    for time_ in issued:
        for name in ("persistence", "extrapolation", "unet-demo"):
            assert service.folders.forecast(np.datetime64(time_), name).exists()


def check_report(service: Service, event: list[Path]) -> None:
    first, last = (str(np.datetime64(line["issue_time"], "m")) for line in ends(service))
    ran = service.command("trigger", "verify", "-p", f"start={first}", "-p", f"end={last}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(service.folders.reports.glob("daily/*/report.html"))
    wrong = service.command("trigger", "forecast", "-p", "lead_minutes=soon")
    assert wrong.returncode == 2
    assert "lead_minutes" in wrong.stderr


def ends(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    ordered = sorted(service.cycles(), key=lambda line: line["issue_time"])
    return ordered[0], ordered[-1]


def check_nothing_is_stuck(service: Service) -> None:
    assert service.runs("RUNNING", "PENDING", "CANCELLING") == []
    status = Status.model_validate_json(service.folders.status.read_text())
    assert status.frames_last_day == FRAMES - 2
    assert service.folders.live_page.stat().st_size > 10_000
    stuck = [run for run in service.runs("SCHEDULED") if run["state"]["name"] == "Late"]
    assert len(stuck) <= 3


def tell(service: Service) -> None:
    """The figures of the replay, for whoever runs it with -s."""

    def seconds(line: dict[str, Any]) -> float:
        times = [datetime.fromisoformat(line[name]) for name in ("arrived", "published")]
        return (times[1] - times[0]).total_seconds()

    taken = np.array([seconds(line) for line in service.cycles()])
    figures = {f"p{share}": np.percentile(taken, share) for share in (50, 95, 100)}
    crashed = len(service.runs("CRASHED", "FAILED"))
    sys.stderr.write(f"\nlatency, s: {figures}; runs crashed or failed: {crashed}\n")

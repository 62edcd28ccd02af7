"""What grows while the service runs: memory, file handles, database, logs, files.

Two hours' worth of cycles, one after the other: every frame of a storm is dropped into the inbox as
soon as the one before it was published, with Prefect's schedules as often as the cycles.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from data_catalog.storms import Storms, write_storms
from tests.flows.serving import Service, serving, wait_until

CYCLES = 24
SETTLED = 8
CONFIGURATION = """
product = "storms"
cadence_minutes = 0.1
"""
MB = 1e6


def test_two_hours_of_cycles_leave_the_service_as_it_was(benchmark: Any, tmp_path: Path) -> None:
    storm = Storms(height=256, width=256, frames=CYCLES, seed=1)
    files = write_storms(tmp_path / "storms", storm)
    (tmp_path / "incoming").mkdir()
    seen: list[dict[str, float]] = []
    with serving(tmp_path, CONFIGURATION) as service:
        for count, file in enumerate(files, 1):
            shutil.copy(file, tmp_path / "incoming")
            wait_until(lambda count=count: len(service.cycles()) >= count, 90)
            seen.append(_sizes(service))
    benchmark.pedantic(lambda: None)
    growth = {name: _per_cycle([sizes[name] for sizes in seen[SETTLED:]]) for name in seen[0]}
    benchmark.extra_info |= growth
    for name, slope in growth.items():
        told = f"{seen[SETTLED][name]:.1f} → {seen[-1][name]:.1f}, {slope:+.3f} a cycle"
        sys.stderr.write(f"\n{name}: {told}")
    assert growth["file handles"] < 0.5
    assert growth["memory of the server, MB"] < 2
    assert growth["memory of the worker, MB"] < 2


def _sizes(service: Service) -> dict[str, float]:
    family = psutil.Process(service.process.pid).children()
    server, worker = sorted(family, key=lambda child: "prefect" not in child.cmdline())
    warm = worker.children()
    folder = service.folders
    database = folder.prefect.glob("prefect.db*")
    return {
        "memory of the server, MB": server.memory_info().rss / MB,
        "memory of the worker, MB": worker.memory_info().rss / MB,
        "memory of its warm processes, MB": sum(child.memory_info().rss for child in warm) / MB,
        "processes": float(len(warm)),
        "file handles": float(server.num_fds() + worker.num_fds()),
        "database, MB": sum(file.stat().st_size for file in database) / MB,
        "logs, kB": sum(file.stat().st_size for file in folder.logs.glob("*")) / 1e3,
        "forecasts, MB": sum(file.stat().st_size for file in folder.forecasts.rglob("*.nc")) / MB,
    }


def _per_cycle(sizes: list[float]) -> float:
    return float(np.polyfit(np.arange(len(sizes)), sizes, 1)[0])

"""A service of its own on loopback, for tests and benchmarks to drive."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from flows.service.folders import Folders
from flows.service.journal import records
from nowcast.checkpoint import save_checkpoint
from nowcast.recipes import Recipe, find_recipe

ROOT = Path(__file__).parents[2]


@dataclass
class Service:
    folder: Path
    process: subprocess.Popen[bytes]
    url: str

    @property
    def folders(self) -> Folders:
        return Folders(self.folder / "service")

    def cycles(self) -> list[dict[str, Any]]:
        return list(records(sorted(self.folders.cycles.glob("*.jsonl"))))

    def runs(self, *types: str) -> list[dict[str, Any]]:
        asked = {"flow_runs": {"state": {"type": {"any_": list(types)}}}}
        answer = httpx.post(f"{self.url}/flow_runs/filter", json=asked, timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return nowcast(*arguments, "--config", str(self.folder / "nowcast.toml"))


def nowcast(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def untrained(path: Path, cadence_minutes: int) -> Path:
    """A checkpoint of a network that knows nothing yet: as slow as one that does."""
    told = json.loads(find_recipe("unet-demo").to_json())
    told["task"]["cadence_minutes"] = cadence_minutes
    recipe = Recipe.from_json(json.dumps(told))
    torch.manual_seed(0)
    save_checkpoint(path, recipe.build_network(), recipe, 0, {})
    return path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(folder: Path, configuration: str) -> Iterator[Service]:
    """Serve by a configuration until the block ends."""
    port = free_port()
    (folder / "nowcast.toml").write_text(f"{configuration}\n[server]\nport = {port}\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--config", "nowcast.toml"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=(folder / "serve.out").open("wb"),
        stderr=subprocess.STDOUT,
    )
    service = Service(folder, process, f"http://127.0.0.1:{port}/api")
    try:
        wait_until(lambda: "Page:" in (folder / "serve.out").read_text(), 60)
        wait_until(lambda: bool(service.runs("COMPLETED")), 60)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_until(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except (httpx.HTTPError, FileNotFoundError):
            pass
        time.sleep(0.3)
    pytest.fail(f"waited {seconds} s in vain")


def kill(service: Service, what: str) -> None:
    """SIGKILL the child of the service whose command holds some text."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    for pid in map(int, children.read_text().split()):
        if what in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
            return
    pytest.fail(f"no child {what}")

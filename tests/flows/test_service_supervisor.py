from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.service.configuration import Configuration
from flows.service.supervisor import Child, api_url, environment_of, memory_mb, serve


@pytest.fixture
def child(tmp_path: Path) -> Child:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    return Child("child", command, tmp_path / "logs" / "child.log", os.environ, pause=0.05)


def looked_after(child: Child, seconds: float = 10) -> int:
    """Look after a child until it runs; its process id."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        child.look_after()
        if child.process is not None and child.process.poll() is None:
            return child.process.pid
        time.sleep(0.02)
    pytest.fail("the child does not run")


def test_a_killed_process_is_started_again(child: Child) -> None:
    child.start()
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    child.process.wait()
    try:
        assert looked_after(child) != first
    finally:
        child.stop()
    assert child.process.poll() is not None


def test_one_that_keeps_on_ending_is_started_less_and_less_often(child: Child) -> None:
    child.command = [sys.executable, "-c", "raise SystemExit(3)"]
    pauses = []
    for _ in range(3):
        child.again = 0
        child.look_after()
        assert child.process is not None
        child.process.wait()
        child.look_after()
        pauses.append(child.pause)
    assert pauses == [0.1, 0.2, 0.4]


def test_a_process_that_has_grown_too_large_begins_anew(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    child.start()
    assert child.process is not None
    first = child.process.pid
    while "up" not in child.log.read_text():
        time.sleep(0.02)
    assert 1 < memory_mb(first) < 500
    child.look_after()
    assert child.process is not None
    assert child.process.pid == first
    monkeypatch.setattr("flows.service.supervisor.MOST_MB", 0.5)
    child.look_after()
    monkeypatch.setattr("flows.service.supervisor.MOST_MB", 500)
    try:
        assert looked_after(child) != first
    finally:
        child.stop()


def test_what_a_process_says_is_added_to_its_log(child: Child) -> None:
    child.command = [sys.executable, "-c", "print('up')"]
    for _ in range(2):
        child.start()
        assert child.process is not None
        child.process.wait()
    assert child.log.read_text() == "up\nup\n"


def test_a_process_that_does_not_want_to_end_is_made_to(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.service.supervisor.STOP_SECONDS", 0.2)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
    child.command = [sys.executable, "-c", f"{code}; time.sleep(60)"]
    child.start()
    while "up" not in child.log.read_text():
        time.sleep(0.02)
    child.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_a_port_that_is_taken_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("NOWCAST_SERVER__PORT", str(port))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(OSError, match=f"{port} of 127.0.0.1 is taken"):
            serve(Configuration.load(), None)


def test_a_service_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "service").mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, time; f = open('service/serve.lock', 'w'); "
            "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with pytest.raises(BlockingIOError, match="runs already"):
            serve(Configuration.load(), None)
    finally:
        holder.kill()
        holder.wait()


def test_what_the_operator_set_goes_before_what_is_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere:4200/api")
    monkeypatch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P2D")
    configuration = Configuration()
    environment = environment_of(configuration)
    assert api_url(configuration) == environment["PREFECT_API_URL"] == "http://elsewhere:4200/api"
    assert environment["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "P2D"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"

"""Keeps the processes of the service alive: Prefect's server, and the worker."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from flows import terminal
from flows.service.configuration import Configuration
from flows.service.folders import Folders

STOP_SECONDS = 20
LOOK_SECONDS = 0.25
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
DAY = 24 * 3600
# Prefect's server grows by some hundred kB a cycle
MOST_MB = 2000.0


@dataclass
class Child:
    """A process that is started again whenever it ends.

    Args:
        name: How people call it.
        command: What runs.
        log: What it says, added at the end.
        environment: Of the process.
    """

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    pause: float = field(default=1.0)
    begun: float = 0.0
    again: float = 0.0

    def start(self) -> None:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,
            )
        self.begun = time.monotonic()

    def look_after(self) -> None:
        """Start it again if it has ended or grown too large; later if it keeps on ending."""
        now = time.monotonic()
        if self.process is not None and memory_mb(self.process.pid) > MOST_MB:
            terminal.complain(f"{self.name} took more than {MOST_MB} MB and begins anew")
            self.stop()
        if self.process is not None and self.process.poll() is not None:
            terminal.complain(f"{self.name} ended with {self.process.returncode}; see {self.log}")
            self.process = None
            if now - self.begun > STEADY_SECONDS:
                self.pause = 1.0
            self.again, self.pause = now + self.pause, min(2 * self.pause, LONGEST_PAUSE)
        if self.process is None and now >= self.again:
            self.start()

    def stop(self) -> None:
        """Ask it to end; make it end if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def memory_mb(pid: int) -> float:
    """What a process holds in memory, where the system tells it as Linux does; else 0."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def serve(configuration: Configuration, config: Path | None) -> None:
    """Start the service and keep it running until a signal ends it.

    Without PREFECT_API_URL a server of its own is started, with its database under the folder of
    the service.

    Raises:
        BlockingIOError: If the service runs already.
        OSError: If the port is taken.
    """
    folders = Folders(configuration.out.absolute())
    configuration.inbox.mkdir(parents=True, exist_ok=True)
    with _only_one(folders.out / "serve.lock"), _until_told() as ended:
        environment = environment_of(configuration)
        children = _children(configuration, config, environment)
        try:
            for child in children:
                child.start()
            terminal.show(f"Prefect: {environment['PREFECT_API_URL'].removesuffix('/api')}")
            terminal.show(f"Page:    {folders.live_page}")
            while not ended:
                for child in children:
                    child.look_after()
                time.sleep(LOOK_SECONDS)
        finally:
            for child in reversed(children):
                child.stop()


def environment_of(configuration: Configuration) -> dict[str, str]:
    """The environment of the processes: what Prefect needs where nobody has said otherwise."""
    folders, keep = Folders(configuration.out.absolute()), configuration.retention
    usual = {
        "PREFECT_HOME": str(folders.prefect),
        "PREFECT_API_URL": api_url(configuration),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(keep.runs_days * DAY),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{keep.logs_days}D",
        "PREFECT_CLIENT_RETRY_JITTER_FACTOR": "0.3",
        # the next runs, not those of an hour: they are many where cycles are short
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT3M",
        # SQLite may keep a request waiting for a minute; asking again is quicker
        "PREFECT_API_REQUEST_TIMEOUT": "15",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONUNBUFFERED": "1",
    }
    return usual | os.environ


def api_url(configuration: Configuration) -> str:
    """Where Prefect's API is."""
    own = f"http://{configuration.server.host}:{configuration.server.port}/api"
    return os.environ.get("PREFECT_API_URL", own)


def _children(
    configuration: Configuration, config: Path | None, environment: Mapping[str, str]
) -> list[Child]:
    logs, server = Folders(configuration.out.absolute()).logs, configuration.server
    where = ["--host", server.host, "--port", str(server.port)]
    start = [sys.executable, "-m", "prefect", "server", "start", *where]
    work = [sys.executable, "-m", "flows.service.worker", *([str(config)] if config else [])]
    children = [Child("worker", work, logs / "worker.log", environment)]
    if "PREFECT_API_URL" not in os.environ:
        children.insert(0, Child("server", start, logs / "server.log", environment))
        _refuse_taken(server.host, server.port)
    return children


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as taken:
        taken.settimeout(1)
        if taken.connect_ex((host, port)) == 0:
            raise OSError(
                f"server.port: {port} of {host} is taken by another program; "
                "configure another, or set PREFECT_API_URL if it is Prefect's"
            )


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"{path.parent}: the service runs already") from error
        yield


@contextmanager
def _until_told() -> Iterator[list[int]]:
    """Signals that end the service, as they come."""
    told: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        told.append(number)

    before = {name: signal.signal(name, note) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)

"""A Prefect server, workers and a PostgreSQL of the test's own, each a process on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFECT = [sys.executable, "-m", "prefect"]
PATIENCE_SECONDS = 180.0
NOBODY = "nobody"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_until(there: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it is there; fail with the log if the process ends or it takes too long."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while not there():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < patience, log.read_text()
        time.sleep(0.2)


@contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process group, whose output goes to a log, ended with all that it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def postgresql_programs() -> Path | None:
    """The folder of an installed PostgreSQL with pg_trgm, without which Prefect does not start."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "pg_config").exists():
            words = [str(folder / "pg_config"), "--sharedir"]
            share = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
            if (Path(share) / "extension" / "pg_trgm.control").exists():
                return folder
    return None


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """The address of an empty database of its own, as Prefect takes it.

    PostgreSQL refuses to run as root: then it runs as `nobody`.
    """
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder, options = Path(name), dict[str, Any](cwd=name)
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
            options |= {"user": NOBODY, "extra_groups": []}
        port, data, log = free_port(), folder / "data", folder / "log"
        words = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "prefect", "-D", str(data)]
        subprocess.run(
            [str(programs / "initdb"), *words], check=True, capture_output=True, **options
        )
        start = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
        with running([str(programs / "postgres"), *start], log, **options) as server:
            wait_until(lambda: "ready to accept connections" in log.read_text(), server, log)
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"


@contextmanager
def prefect_server(folder: Path, database: str | None = None) -> Iterator[dict[str, str]]:
    """A Prefect server on a database, by default on SQLite; the environment of its clients."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "server.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    if database:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    words = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running([*PREFECT, *words], log, env=environment) as server:
        wait_until(lambda: healthy(environment["PREFECT_API_URL"]), server, log)
        yield environment


def healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow_engine

from flows.service import warm
from flows.service.deployed import forecast, train
from flows.service.warm import WarmContext


def fail() -> None:
    raise ValueError("no")


def never_leave() -> None:
    """Ends, but a thread that is no daemon keeps the process."""
    warm.LEAVE_SECONDS = 0.3
    threading.Thread(target=time.sleep, args=(60,)).start()


def hold_a_lock(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(60)


PARENT = """
import sys, time
from pathlib import Path
from flows.service.warm import WarmContext
sys.path.insert(0, sys.argv[1])
from test_service_warm import hold_a_lock
if __name__ == "__main__":
    WarmContext().Process(target=hold_a_lock, args=(Path(sys.argv[2]),)).start()
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def context() -> WarmContext:
    return WarmContext()


def test_a_process_ends_although_a_library_waits_for_ever(context: WarmContext) -> None:
    process = context.Process(target=never_leave)
    process.start()
    process.join(20)
    assert process.exitcode == 0


def test_a_process_that_failed_says_so(context: WarmContext) -> None:
    process = context.Process(target=fail)
    process.start()
    process.join(20)
    assert process.exitcode == 1


def test_only_long_flows_send_heartbeats() -> None:
    engines = [flow_engine.FlowRunEngine(flow=flow) for flow in (forecast, train)]
    assert engines[0].heartbeat_seconds is None
    assert engines[1].heartbeat_seconds


def test_runs_end_with_their_worker_and_free_what_they_hold(tmp_path: Path) -> None:
    lock, script = tmp_path / "lock", tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script), str(Path(__file__).parent), str(lock)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen(command, env=environment)
    until(lambda: lock.exists() and not free(lock))
    parent.kill()
    parent.wait()
    until(lambda: free(lock))


def free(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)

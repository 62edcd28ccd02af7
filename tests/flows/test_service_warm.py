from __future__ import annotations

import threading
import time

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

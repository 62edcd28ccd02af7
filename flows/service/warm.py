"""Processes for flow runs that have imported everything before they are needed."""

from __future__ import annotations

import os
import signal
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Thread, Timer
from types import SimpleNamespace
from typing import Any

from prefect import flow_engine

PRELOADED = [
    "flows.service.warm",
    "flows.service.deployed",
    "flows.service.publication",
    "flows.service.intake",
    "prefect.events",
    "prefect.runner",
]
# what Prefect sends after a run's end takes less
LEAVE_SECONDS = 10.0
# the others end sooner than anybody would miss a heartbeat, and every heartbeat is an event that
# the server writes into automations: on SQLite, where one may write at a time, too many
WITH_HEARTBEAT = {"train", "verify", "housekeeping", "classify", "denoise", "segment"}


class WarmProcess(ForkServerProcess):
    """A process that ends when its work has ended, whatever the libraries wait for then."""

    def run(self) -> None:
        """Do the work."""
        Thread(target=_end_with_parent, daemon=True).start()
        code = 1
        try:
            super().run()
            code = 0
        finally:
            watchdog = Timer(LEAVE_SECONDS, os._exit, [code])
            watchdog.daemon = True
            watchdog.start()


class WarmContext(ForkServerContext):
    """Makes processes that are forks of one which has imported PRELOADED."""

    Process = WarmProcess


def keep_warm() -> None:
    """Let the flow runs of this process begin as forks of a server that has imported PRELOADED.

    Prefect starts each in a new interpreter, which spends two to three seconds on imports. A
    fork has them already and is a process of its own all the same: what it leaks or breaks ends
    with it.
    """
    context = WarmContext()
    context.set_forkserver_preload(PRELOADED)
    vars(flow_engine)["multiprocessing"] = SimpleNamespace(get_context=lambda _: context)


def _end_with_parent() -> None:
    """End when the worker does: whoever comes after it begins anew, and may write at once."""
    parent = parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _spare_heartbeats() -> None:
    engine_type: Any = flow_engine.BaseFlowRunEngine
    usual = engine_type.heartbeat_seconds.fget
    engine_type.heartbeat_seconds = property(
        lambda engine: usual(engine) if engine.flow.name in WITH_HEARTBEAT else None
    )


_spare_heartbeats()

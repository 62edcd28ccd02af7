"""Processes for flow runs that have imported everything before they are needed."""

from __future__ import annotations

import multiprocessing
from types import SimpleNamespace

from prefect import flow_engine

PRELOADED = [
    "flows.service.deployed",
    "flows.service.publication",
    "flows.service.intake",
    "prefect.events",
    "prefect.flow_engine",
    "prefect.runner",
]


def keep_warm() -> None:
    """Let the flow runs of this process begin as forks of a server that has imported PRELOADED.

    Prefect starts each in a new interpreter, which spends two to three seconds on imports. A
    fork has them already and is a process of its own all the same: what it leaks or breaks ends
    with it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    vars(flow_engine)["multiprocessing"] = SimpleNamespace(get_context=lambda _: context)

"""Flows for more than one machine: stores, or pieces of a period, side by side on Dask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow, task
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.counting import count_slots
from flows.forecasting import parse_time
from flows.options import files_in
from flows.parts import Job, plan, write_part
from flows.periods import Period, issue_slots_of, whole_period
from flows.scheduled import verify_task
from flows.verification import Comparison, Request
from pipeline.ingest import ingest
from pipeline.ingest_report import IngestReport
from pipeline.workers import ClusterCrew


@dataclass(frozen=True)
class Feed:
    """Radar files and the store that they go into.

    Args:
        store: Address of the store.
        files: Radar files, or folders of them.
        product: Catalog entry of the files; by default the one that fits them.
    """

    store: str
    files: list[Path]
    product: str | None = None


@task(task_run_name="ingest {feed.store}")
def ingest_feed(feed: Feed) -> IngestReport:
    """Fill the slots of one store, which nobody else writes to."""
    return ingest(files_in(feed.files), feed.store, product=feed.product)


@task(task_run_name="count {jobs[0].path.stem} and on")
def count_piece(request: Request, jobs: list[Job]) -> int:
    """Count one piece of a period into its parts; the number of issue times."""
    for job in jobs:
        write_part(job, count_slots(request, job.missing))
    return sum(len(job.missing) for job in jobs)


@flow(name="ingest-many")
def ingest_many(feeds: list[Feed], dask: str | None = None) -> list[IngestReport]:
    """Put files into several stores, a store a Dask worker; without Dask one after another.

    Workers must see files and stores under the same paths.

    Args:
        feeds: What goes where.
        dask: Address of a Dask scheduler.

    Raises:
        ConnectionError: If there is no such Dask cluster.
        ValueError: If a store is named twice: it has one writer.
    """
    stores = [feed.store for feed in feeds]
    if len({*stores}) < len(stores):
        raise ValueError(f"ingest-many: expected every store once, found {sorted(stores)}")
    return _side_by_side(ingest_feed, ({"feed": feed} for feed in feeds), dask)


@flow(name="verify-many")
def verify_many(
    store: str,
    forecasters: list[str],
    start: str | None,
    end: str | None,
    out: Path,
    days: float = 7,
    lead_minutes: int | None = None,
    files: list[Path] | None = None,
    dask: str | None = None,
) -> Path:
    """Score forecasters over a long period, some days of it a Dask worker; the report's path.

    The scores are exactly those of one run over the period. What was counted before is not counted
    again. Workers must see store, files and `out` under the same paths.

    Raises:
        ConnectionError: If there is no such Dask cluster.
        ValueError: If nothing can be verified in the period, or a forecaster or file does not fit.
    """
    request = Request(store, tuple(forecasters), tuple(files or ()), lead_minutes).everywhere()
    period: Period = (parse_time(start) if start else None, parse_time(end) if end else None)
    pieces = _pieces(Comparison.load(request), period, out.absolute(), days)
    _side_by_side(count_piece, ({"request": request, "jobs": jobs} for jobs in pieces), dask)
    return verify_task(request, start, end, out.absolute()).report


def _pieces(comparison: Comparison, period: Period, out: Path, days: float) -> list[list[Job]]:
    """What is still to be counted, in pieces of so many days."""
    times, length = comparison.store.times, np.timedelta64(round(1440 * days), "m")
    slots = issue_slots_of(comparison, *whole_period(comparison, period))
    waiting = (job for job in plan(comparison, slots, out) if job.missing)
    first = times[slots[0]]
    grouped = groupby(waiting, lambda job: int((times[job.slots[0]] - first) // length))
    return [list(jobs) for _, jobs in grouped]


def _side_by_side(
    work: Callable[..., Any], parameters: Iterable[dict[str, Any]], dask: str | None
) -> list[Any]:
    """What became of a task with each of several parameters."""
    submitted: Any = work
    with _runner(dask) as runner:
        futures = [runner.submit(submitted, each) for each in parameters]
        return [future.result() for future in futures]


def _runner(dask: str | None) -> TaskRunner[Any]:
    if dask is None:
        return ThreadPoolTaskRunner(max_workers=1)
    from prefect_dask.task_runners import DaskTaskRunner

    with ClusterCrew(dask):
        return DaskTaskRunner(address=dask)

"""Who counts: threads of this process, or the workers of a Dask cluster."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import torch
import xarray as xr

from flows.parts import Job
from flows.verification import Comparison, Request

Note = Callable[[int], None]
AHEAD = 2
PATIENCE_SECONDS = 15.0


class _Count:
    """The tally of some slots, filled by whoever calls `add`."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison, self._tally = comparison, comparison.tally()
        self._seconds: list[dict[str, float]] = []

    def add(self, slot: int) -> None:
        """Forecast, compare, count."""
        comparison, spent = self._comparison, dict[str, float]()
        forecasts = comparison.forecast(slot, spent)
        self._tally.update(comparison.store.times[slot], forecasts, comparison.observed(slot))
        self._seconds.append(spent)

    def sums(self) -> xr.Dataset:
        """What was counted, without scores."""
        seconds = {
            name: sum(spent[name] for spent in self._seconds) for name in self._comparison.entrants
        }
        return self._tally.sums().assign_attrs(seconds=json.dumps(seconds))


def count_here(
    comparison: Comparison, jobs: Iterable[Job], workers: int, note: Note
) -> Iterator[tuple[Job, xr.Dataset]]:
    """The sums of jobs in order, an issue time a thread, each thread on one core.

    Args:
        comparison: Who is compared.
        jobs: Taken one by one, a few ahead.
        workers: Number of threads.
        note: Called with 1 after every issue time.
    """

    def add(count: _Count, slot: int) -> None:
        count.add(slot)
        note(1)

    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    waiting, ahead = iter(jobs), deque[tuple[Job, _Count, list[Future[None]]]]()
    try:
        while True:
            for job in islice(waiting, AHEAD - len(ahead)):
                count = _Count(comparison)
                ahead.append((job, count, [pool.submit(add, count, slot) for slot in job.missing]))
            if not ahead:
                return
            job, count, futures = ahead.popleft()
            for future in futures:
                future.result()
            yield job, count.sums()
    finally:
        pool.shutdown(cancel_futures=True)


def count_slots(request: Request, slots: Sequence[int]) -> xr.Dataset:
    """The sums of some slots, counted on one core: what a worker of a cluster is asked for."""
    torch.set_num_threads(1)
    count = _Count(Comparison.load(request))
    for slot in slots:
        count.add(slot)
    return count.sums()


def count_on_cluster(
    request: Request, jobs: Iterable[Job], address: str, note: Note
) -> Iterator[tuple[Job, xr.Dataset]]:
    """The sums of jobs in order, a job a task; workers open store and files by their addresses.

    Raises:
        ConnectionError: If there is no such cluster, it has no workers, or it goes away.
        ModuleNotFoundError: If Dask's `distributed` is not installed here.
    """
    from concurrent.futures import CancelledError

    client = _client(address)
    size = AHEAD * sum(client.nthreads().values())
    submit: Callable[..., Any] = partial(client.submit, count_slots, pure=False)
    waiting, ahead = iter(jobs), deque[tuple[Job, Any]]()
    try:
        while True:
            for job in islice(waiting, size - len(ahead)):
                ahead.append((job, submit(request, job.missing)))
            if not ahead:
                return
            job, future = ahead.popleft()
            counted = future.result()
            note(len(job.missing))
            yield job, counted
    except CancelledError as error:
        raise ConnectionError(
            f"{address}: the Dask scheduler went away; verify again, it goes on where it was"
        ) from error
    finally:
        client.close()


def _client(address: str) -> Any:
    import distributed

    connect: Any = distributed.Client
    try:
        client = connect(address, timeout=PATIENCE_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"{address}: expected a Dask scheduler with workers, found none ({error})"
        ) from error
    return client

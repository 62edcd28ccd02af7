"""Who decodes: threads for a few files, processes for many, a Dask cluster where one is named."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Thread
from types import ModuleType
from typing import Any

from pipeline.decoding import DecodedFile, Job, Refused, decode

Outcome = DecodedFile | Refused
AHEAD = 16
TRIAL = 8
START_UP_SECONDS = 1.5
PATIENCE_SECONDS = 15.0


class Crew:
    """Workers that decode files, a bounded number ahead of the reader; a context manager.

    No file is lost with a worker that dies: what it had is tried again, alone, and refused only
    if it kills another worker.
    """

    deaths: tuple[type[Exception], ...] = ()

    def __init__(self, executor: Executor, size: int) -> None:
        self._executor, self._size = executor, size

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def decode(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """What became of each file, in order; a long lazy file comes in pieces."""
        ahead: deque[tuple[Job, Future[Outcome]]] = deque()
        waiting = iter(jobs)
        while True:
            for job in islice(waiting, AHEAD * self._size - len(ahead)):
                ahead.append((job, self._submit(job)))
            if not ahead:
                return
            job, future = ahead.popleft()
            outcome = self._outcome(job, future, [other for _, other in ahead])
            yield outcome
            if isinstance(outcome, DecodedFile) and job.start == 0:
                starts = range(len(outcome.frames), outcome.total, len(outcome.frames))
                yield from self.decode([job._replace(start=start) for start in starts])

    def _outcome(self, job: Job, future: Future[Outcome], others: list[Future[Outcome]]) -> Outcome:
        try:
            outcome = future.result()
        except self.deaths:
            wait(others)
            outcome = self._alone(job)
        return replace(outcome, path=job.path)

    def _alone(self, job: Job) -> Outcome:
        try:
            return self._submit(job).result()
        except self.deaths:
            reason = "expected a radar file, found one that kills the process that reads it"
            return Refused(job.path, reason)

    def _submit(self, job: Job) -> Future[Outcome]:
        return self._executor.submit(decode, job._replace(path=job.path.absolute()))


class LocalCrew(Crew):
    """Threads at first; processes as soon as the files left are worth the start of them.

    Threads take turns for the interpreter's lock and hardly use a second core.
    """

    deaths = (BrokenExecutor,)

    def __init__(self, workers: int) -> None:
        super().__init__(ThreadPoolExecutor(workers), workers)

    def decode(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """What became of each file, in order; a long lazy file comes in pieces."""
        began = time.perf_counter()
        yield from super().decode(jobs[:TRIAL])
        seconds = (time.perf_counter() - began) / TRIAL
        if self._worth_processes(seconds * len(jobs[TRIAL:])):
            self._start_processes()
        yield from super().decode(jobs[TRIAL:])

    def _worth_processes(self, seconds: float) -> bool:
        threads = isinstance(self._executor, ThreadPoolExecutor)
        # daemons, such as a Dask worker, may not start processes
        free = not multiprocessing.current_process().daemon
        return threads and free and seconds * (1 - 1 / self._size) > START_UP_SECONDS

    def _start_processes(self) -> None:
        self._executor.shutdown(wait=False)
        context = _Context()
        context.set_forkserver_preload([decode.__module__])
        self._executor = ProcessPoolExecutor(self._size, context, _attend)

    def _submit(self, job: Job) -> Future[Outcome]:
        try:
            return super()._submit(job)
        except BrokenExecutor:
            self._start_processes()
            return super()._submit(job)


class _Process(ForkServerProcess):
    """A process that does not run the caller's script again."""

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Process


def _attend() -> None:
    """End with the parent, however that ends, and leave an interruption to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        wait_for_any([parent.sentinel])
        os._exit(1)


class ClusterCrew(Crew):
    """The workers of a Dask cluster, which must see the files under the same paths.

    Raises:
        ConnectionError: If there is no such cluster, or it has no workers.
        ModuleNotFoundError: If Dask's `distributed` is not installed here.
    """

    def __init__(self, address: str) -> None:
        import distributed

        connect: Any = distributed.Client
        self.address, self.deaths = address, (distributed.KilledWorker,)
        try:
            self._client = connect(address, timeout=PATIENCE_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"{address}: expected a Dask scheduler with workers, found none ({error})"
            ) from error
        size = sum(self._client.nthreads().values())
        super().__init__(self._client.get_executor(pure=False), size)

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

    def _outcome(self, job: Job, future: Future[Outcome], others: list[Future[Outcome]]) -> Outcome:
        try:
            return super()._outcome(job, future, others)
        except CancelledError as error:
            raise ConnectionError(
                f"{self.address}: the Dask scheduler went away; ingest the same files again"
            ) from error
        except ImportError as error:
            raise ConnectionError(
                f"{self.address}: expected workers with radar-nowcast installed, found {error}"
            ) from error

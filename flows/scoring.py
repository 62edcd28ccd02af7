"""A comparison counted over a period, on disk: only what no earlier run has counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.counting import count_here, count_on_cluster
from flows.merging import merge_scores, protocol_of
from flows.parts import Job, plan, seconds_of, write_part
from flows.periods import issue_slots_of
from flows.scores_lineage import origins_of_scores
from flows.verification import Comparison, Request

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Scored:
    """The scores of a period.

    Args:
        path: The scores file.
        slots: Its issue times.
        counted: How many of them no earlier run had counted.
        seconds: Forecaster → seconds of one forecast.
    """

    path: Path
    slots: list[int]
    counted: int
    seconds: dict[str, float]


def score_period(
    comparison: Comparison,
    request: Request,
    period: tuple[np.datetime64, np.datetime64],
    out: Path,
    *,
    workers: int | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Write scores.nc under a folder, and the sums it is made of beside it, in parts.

    Args:
        comparison: Who is compared.
        request: What the comparison was loaded from.
        period: First and last time from which frames are used, UTC.
        out: Folder to write to.
        workers: Threads that count, by default one a core.
        dask: Address of a Dask scheduler whose workers count instead.
        progress: Called with the issue times done and in all.

    Raises:
        ConnectionError: If there is no such Dask cluster.
        ValueError: If nothing can be verified in the period, or the folder holds scores of another
            protocol.
    """
    _refuse_other_protocol(comparison, out)
    slots = issue_slots_of(comparison, *period)
    jobs = _Jobs(plan(comparison, slots, out), len(slots), progress)
    if dask:
        done = count_on_cluster(request.everywhere(), jobs.open(), dask, jobs.note)
    else:
        done = count_here(comparison, jobs.open(), workers or os.cpu_count() or 1, jobs.note)
    for job, sums in done:
        write_part(job, sums)
    path = merge_scores(
        jobs.paths,
        out / "scores.nc",
        product=comparison.store.product,
        cadence_minutes=comparison.minutes,
        **origins_of_scores(comparison, request, slots),
    )
    return Scored(path, slots, jobs.counted, seconds_of(jobs.paths))


class _Jobs:
    """Jobs as they are planned, those that are done already left out."""

    def __init__(self, jobs: Iterator[Job], total: int, progress: Progress | None) -> None:
        self._jobs, self._total, self._progress = jobs, total, progress
        self.paths: list[Path] = []
        self.done = self.counted = 0

    def open(self) -> Iterator[Job]:
        """The jobs with something to count."""
        for job in self._jobs:
            self.paths.append(job.path)
            self.counted += len(job.missing)
            self.note(len(job.slots) - len(job.missing))
            if job.missing:
                yield job

    def note(self, more: int) -> None:
        """Issue times that are done."""
        self.done += more
        if self._progress:
            self._progress(self.done, self._total)


def _refuse_other_protocol(comparison: Comparison, out: Path) -> None:
    path = out / "scores.nc"
    if not path.exists():
        return
    held, wanted = protocol_of(path), comparison.protocol
    if held.id != wanted.id:
        raise ValueError(
            f"{out}: expected a folder for scores of protocol {wanted.id}, found {held.id} in "
            "scores.nc; choose another folder"
        )

"""What the service wrote long ago, removed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.moments import moment
from flows.service.prefect_history import forget_prefect_runs
from flows.service.promotion import network_in_service

LARGEST_LOG = 20 * 10**6
CUT = ".1"
_TRAINING = re.compile(r"\d{8}T\d{4}Z")


@dataclass
class Tidied:
    """What was removed.

    Args:
        files: Kind → how many files.
        freed: Kind → how many bytes they held.
        prefect_runs: How many of Prefect's flow runs.
        errors: What could not be removed, a sentence each.
    """

    files: dict[str, int] = field(default_factory=dict)
    freed: dict[str, int] = field(default_factory=dict)
    prefect_runs: int = 0
    errors: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """The same, as people read it."""
        parts = [
            f"{count} files of {kind} ({self.freed[kind] / 1e6:.1f} MB)"
            for kind, count in self.files.items()
        ]
        if self.prefect_runs:
            parts.append(f"{self.prefect_runs} runs of Prefect")
        told = f"removed {', '.join(parts)}" if parts else "nothing was old enough to be removed"
        return "; ".join([told, *self.errors])

    def count(self, kind: str, files: int, freed: int) -> None:
        """Add to what was removed."""
        self.files[kind] = self.files.get(kind, 0) + files
        self.freed[kind] = self.freed.get(kind, 0) + freed


def tidy(configuration: Configuration, now: np.datetime64) -> Tidied:
    """Remove what is older than the configuration keeps, under the folder of the service alone.

    A day goes when both the day itself and the last change of its files are that long ago, so what
    is made of old frames now is kept as long. Of trainings the newest are kept, and whatever the
    configuration names or is in service. Links are neither followed nor removed, nor is anything
    that the service does not name itself. Runs of Prefect go if PREFECT_API_URL names a server.

    Args:
        configuration: Names the folder and what is kept.
        now: In UTC.
    """
    tidied, folders, kept = Tidied(), Folders(configuration.out), configuration.retention
    for kind, folder, days in (
        ("forecasts", folders.forecasts, kept.forecasts_days),
        ("cycles", folders.cycles, kept.reports_days),
        ("skill", folders.skill, kept.reports_days),
        ("reports", folders.reports / "daily", kept.reports_days),
        ("reports", folders.reports / "weekly", kept.reports_days),
    ):
        entries = _entries(tidied, folders.out, folder)
        _tidy_days(tidied, kind, entries, moment(now) - timedelta(days=days))
    _tidy_models(tidied, _entries(tidied, folders.out, folders.models), configuration)
    logs = _entries(tidied, folders.out, folders.logs)
    _tidy_logs(tidied, logs, moment(now) - timedelta(days=kept.logs_days))
    if os.environ.get("PREFECT_API_URL"):
        forgotten = forget_prefect_runs(moment(now) - timedelta(days=kept.runs_days))
        tidied.prefect_runs = forgotten.runs
        tidied.errors += forgotten.errors
    return tidied


def _tidy_days(tidied: Tidied, kind: str, entries: list[Path], before: datetime) -> None:
    for entry in entries:
        day = _day(entry.name.removesuffix(".jsonl"))
        if day is not None and day < before.date() and _changed(entry) < before:
            _remove(tidied, kind, entry)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _tidy_models(tidied: Tidied, entries: list[Path], configuration: Configuration) -> None:
    trainings = [path for path in entries if _TRAINING.fullmatch(path.name)]
    newest_first = sorted(trainings, key=lambda path: path.name, reverse=True)
    try:
        used = _used(configuration)
    except ValueError as error:
        tidied.errors.append(str(error))
        return
    for training in newest_first[configuration.retention.models :]:
        if not any(path.is_relative_to(training.resolve()) for path in used):
            _remove(tidied, "models", training)


def _used(configuration: Configuration) -> list[Path]:
    """The checkpoints that somebody may load any time."""
    present = network_in_service(configuration)
    named = [Path(name) for name in configuration.forecasters]
    named += [path for path in (configuration.checkpoint,) if path is not None]
    named += [present.checkpoint] if present is not None else []
    return [path.resolve() for path in named]


def _tidy_logs(tidied: Tidied, entries: list[Path], before: datetime) -> None:
    """Whoever writes a log keeps it open: it is emptied, never removed."""
    for log in entries:
        if not log.is_file():
            continue
        cut, size = log.with_name(log.name + CUT), log.stat().st_size
        if log.suffix == CUT:
            if _changed(log) < before:
                _remove(tidied, "logs", log)
        elif size and _changed(log) < before:
            os.truncate(log, 0)
            tidied.count("logs", 1, size)
        elif size > LARGEST_LOG and not cut.is_symlink():
            shutil.copyfile(log, cut)
            os.truncate(log, 0)


def _entries(tidied: Tidied, out: Path, folder: Path) -> list[Path]:
    """What is in a folder under `out`, links left out."""
    if folder.resolve() != out.resolve() / folder.relative_to(out):
        tidied.errors.append(
            f"{folder}: expected a folder, found a link; tidy up what it leads to by hand"
        )
        return []
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.is_symlink())


def _files(path: Path) -> Iterator[os.stat_result]:
    if not path.is_dir():
        yield path.lstat()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.lstat(os.path.join(folder, name))


def _changed(path: Path) -> datetime:
    """When a file, or any file in a folder, was last written."""
    newest = max((state.st_mtime for state in _files(path)), default=path.lstat().st_mtime)
    return datetime.fromtimestamp(newest, UTC)


def _remove(tidied: Tidied, kind: str, path: Path) -> None:
    sizes = [state.st_size for state in _files(path)]
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        tidied.errors.append(f"{path}: expected to remove it, found {error.strerror}; look at it")
        return
    tidied.count(kind, len(sizes), sum(sizes))

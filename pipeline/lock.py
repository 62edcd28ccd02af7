"""One writer at a time, and a store that is never seen half swapped."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_SECONDS = 5.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a store; the system frees it with the process, however that ends.

    Raises:
        BlockingIOError: If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                f"{path}: another process is writing to this store; try again when it is done"
            ) from error
        yield


def swap(path: Path, new: Path) -> None:
    """Put another folder in the place of a store's; only under its lock."""
    old = set_aside(path)
    shutil.rmtree(old, ignore_errors=True)
    path.rename(old)
    new.rename(path)
    shutil.rmtree(old)


def undo_cut_swap(path: Path) -> None:
    """Put back the folder of a swap that was cut between its two renames; only under the lock."""
    if not path.exists() and set_aside(path).exists():
        set_aside(path).rename(path)


def await_swap(path: Path) -> None:
    """Return once no swap of the store is under way; undo one that was cut."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() and set_aside(path).exists() and time.monotonic() < deadline:
        with suppress(BlockingIOError), locked(path):
            undo_cut_swap(path)
        time.sleep(0.01)


def set_aside(path: Path) -> Path:
    """Where a store's folder stands during a swap."""
    return path.with_name(f".{path.name}.old")

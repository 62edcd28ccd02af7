"""A store in a folder: one writer at a time, and never seen half made or half swapped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zarr.abc.store import Store as ZarrStore
from zarr.storage import LocalStore

from pipeline.places.durable import DurableStore, sync_folders
from pipeline.places.lock import locked
from pipeline.places.place import Renumber

PATIENCE_SECONDS = 5.0


class FolderPlace:
    """A folder of a local or mounted disk."""

    atomic = False
    movable = True
    sharded = True
    snapshot = None

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)
        self._new = path.with_name(f".{path.name}.new")
        self._old = path.with_name(f".{path.name}.old")

    def exists(self) -> bool:
        """Whether a whole store is there, once no swap is under way; undoes one that was cut."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.path.exists() and self._old.exists() and time.monotonic() < deadline:
            with suppress(BlockingIOError), self.locked():
                pass
            time.sleep(0.01)
        return self.path.exists()

    def reading(self) -> ZarrStore:
        """The store as it is."""
        return LocalStore(self.path, read_only=True)

    def writing(self) -> ZarrStore:
        """The store as it is."""
        return DurableStore(self.path)

    def save(self, message: str) -> None:
        """Nothing: each object appears when it is written."""

    @contextmanager
    def creating(self) -> Iterator[ZarrStore]:
        """A folder beside, moved into place at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._new, ignore_errors=True)
        yield DurableStore(self._new)
        self._new.rename(self.path)
        sync_folders(self.path.parent, self.path.parent)

    @contextmanager
    def renumbered(self, renumber: Renumber) -> Iterator[ZarrStore]:
        """A folder beside that links the same files; at the end the two change places."""
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir()
        for file in self.path.rglob("*"):
            key = renumber(file.relative_to(self.path).as_posix()) if file.is_file() else None
            if key is not None:
                (self._new / key).parent.mkdir(parents=True, exist_ok=True)
                os.link(file, self._new / key)
        yield DurableStore(self._new)
        shutil.rmtree(self._old, ignore_errors=True)
        self.path.rename(self._old)
        self._new.rename(self.path)
        sync_folders(self.path.parent, self.path.parent)
        shutil.rmtree(self._old)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; a swap that was cut between its two renames is undone."""
        with locked(self.path):
            if not self.path.exists() and self._old.exists():
                self._old.rename(self.path)
            yield

    def tidy(self) -> None:
        """Remove the unfinished files of writers that were killed."""
        for partial in self.path.rglob("*.partial"):
            partial.unlink()

    def size_bytes(self) -> int:
        """What the files hold."""
        return sum(entry.stat().st_size for entry in _files(self.path))

    def objects(self) -> int:
        """How many files."""
        return sum(1 for _ in _files(self.path))


def _files(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _files(entry.path)
        else:
            yield entry

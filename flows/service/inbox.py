"""The folder that radar files arrive in, and a ledger of what became of them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.ingest_report import IngestReport

TABLES = """
create table if not exists files (
    path text primary key, name text, size integer, changed integer,
    seen text, stored text, reason text
) without rowid;
create index if not exists by_name on files (name);
"""
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload")


@dataclass(frozen=True)
class Stamp:
    """What tells one content of a file from another without reading it.

    Args:
        size: Bytes.
        changed: When the file came to be here or changed last, in ns since 1970, by this
            machine's clock; a copy that keeps its modification time has this one of its own.
    """

    size: int
    changed: int


@dataclass(frozen=True)
class Taken:
    """When a file came in.

    Args:
        arrived: In ns since 1970.
        seen: When it was found, ISO 8601.
        stored: When its frames were in the store, ISO 8601.
    """

    arrived: int
    seen: str
    stored: str


@dataclass(frozen=True)
class Inbox:
    """Files under a folder that were not taken before, or have changed since.

    Nothing in the folder is moved or removed. Hidden files, zarr archives, and files whose names
    say that they are still being written, are left alone.

    Args:
        folder: Where files arrive, in it or in folders below.
        ledger: The SQLite file that remembers.
    """

    folder: Path
    ledger: Path

    def arrivals(self) -> dict[Path, Stamp]:
        """The files to take, with what they are now.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        if not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder}: no inbox here; make the folder")
        known = self._known()
        return {
            Path(path): stamp
            for path, stamp in _stamps(str(self.folder))
            if known.get(path) != (stamp.size, stamp.changed)
        }

    def settle(
        self, taken: Mapping[Path, Stamp], report: IngestReport, seen: str, stored: str
    ) -> None:
        """Remember what became of files; one that changed meanwhile will be taken again."""
        reasons = {refusal.path: refusal.reason for refusal in report.refused}
        rows = [
            (str(path), path.name, stamp.size, stamp.changed, seen, stored, reasons.get(path))
            for path, stamp in taken.items()
        ]
        with self._connected() as ledger:
            ledger.executemany("insert or replace into files values (?, ?, ?, ?, ?, ?, ?)", rows)

    def refused(self) -> dict[Path, str]:
        """The files that did not go in, and why."""
        with self._connected() as ledger:
            rows = ledger.execute("select path, reason from files where reason is not null")
            return {Path(path): reason for path, reason in rows}

    def taken(self, name: str) -> Taken | None:
        """When the file of that name came in; the newest, if there are several."""
        query = "select changed, seen, stored from files where name = ? order by changed desc"
        with self._connected() as ledger:
            row = ledger.execute(query, (name,)).fetchone()
        return Taken(*row) if row else None

    def _known(self) -> dict[str, tuple[int, int]]:
        with self._connected() as ledger:
            rows = ledger.execute("select path, size, changed from files")
            return {path: (size, changed) for path, size, changed in rows}

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.ledger, timeout=30)) as ledger:
            ledger.executescript(TABLES)
            with ledger:
                yield ledger


def _stamps(folder: str) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                continue
            if entry.is_dir():
                if not entry.name.endswith(".zarr"):
                    yield from _stamps(entry.path)
                continue
            try:
                found = entry.stat()
            except FileNotFoundError:
                continue
            yield entry.path, Stamp(found.st_size, max(found.st_ctime_ns, found.st_mtime_ns))

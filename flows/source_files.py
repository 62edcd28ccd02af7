"""The radar files that frames came from, looked for on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from flows.links import Link, UsedFrame
from pipeline.decoding import DecodedFile, Job, decode

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Where radar files are looked for.

    Args:
        folders: In which, with the folders below; none if files are not looked for.
        hashed: Whether each file found is hashed, and read again to see that it yields its frame
            where no quality control came between.
        progress: Called with what is done and all of it, where that takes long.
    """

    folders: tuple[Path, ...] = ()
    hashed: bool = False
    progress: Callable[[int, int], None] = lambda _done, _all: None

    def found(
        self, frames: Sequence[UsedFrame], quality: Sequence[str] = ()
    ) -> tuple[UsedFrame, ...]:
        """The frames with the files that they came from, where these are found.

        Args:
            frames: Those that were used.
            quality: Steps of quality control that changed them between file and store, so that
                none can be found again in its file.
        """
        every: Iterable[UsedFrame] = frames
        if self.hashed and self.folders:
            every = self.counted(frames, len(frames))
        return tuple(self._with_file(frame, compared=not quality) for frame in every)

    def link(self, frames: Sequence[UsedFrame], quality: Sequence[str] = ()) -> Link:
        """The files that frames came from, after `found`; arguments as there."""
        names = list(dict.fromkeys(frame.source for frame in frames if frame.source))
        if not self.folders:
            return Link("source files", "not looked for", {"files": len(names)})
        where = ", ".join(map(str, self.folders))
        absent = [name for name in names if name not in self._paths]
        others = [frame for frame in frames if frame.yields is False]
        facts: dict[str, Any] = {"files": len(names), "found": len(names) - len(absent)}
        facts["absent"] = absent
        if quality and self.hashed:
            facts["compared"] = (
                f"no, for quality control ({', '.join(quality)}) changed the frames between their "
                "files and the store"
            )
        broken = list[str]()
        if absent:
            more = f"; nor {len(absent) - 1} more" if len(absent) > 1 else ""
            broken += [f"{where}: expected the source file {absent[0]}, found none{more}"]
        if others:
            more = f"; {len(others) - 1} more differ" if len(others) > 1 else ""
            broken += [_other_content(others[0]) + more]
        return Link("source files", where, facts, tuple(broken))

    def counted(self, things: Iterable[T], total: int) -> Iterator[T]:
        """One after the other, with progress told."""
        for done, thing in enumerate(things):
            self.progress(done, total)
            yield thing
        self.progress(total, total)

    def _with_file(self, frame: UsedFrame, *, compared: bool) -> UsedFrame:
        path = self._paths.get(frame.source)
        if path is None:
            return frame
        if not self.hashed:
            return replace(frame, file=str(path))
        sha256, contents = self._read(path, compared=compared)
        if not compared:
            return replace(frame, file=str(path), sha256=sha256)
        yields = any(content.startswith(frame.content_hash) for content in contents)
        return replace(frame, file=str(path), sha256=sha256, yields=yields)

    def _read(self, path: Path, *, compared: bool) -> tuple[str | None, frozenset[str]]:
        """SHA-256 of a file, and content hashes of its frames where these are compared."""
        key = path, compared
        if key not in self._seen:
            self._seen[key] = _sha256(path), frozenset(_contents(path) if compared else ())
        return self._seen[key]

    @cached_property
    def _seen(self) -> dict[tuple[Path, bool], tuple[str | None, frozenset[str]]]:
        return {}

    @cached_property
    def _paths(self) -> dict[str, Path]:
        """Name → path of all that is in the folders."""
        walks = chain.from_iterable(map(os.walk, self.folders))
        return {name: Path(folder, name) for folder, *inside in walks for name in chain(*inside)}


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _contents(path: Path) -> Iterator[str]:
    """Content hashes of the frames of a file, none if it cannot be read."""
    start = 0
    while isinstance(decoded := decode(Job(path, None, start=start)), DecodedFile):
        yield from (frame.content_hash for frame in decoded.frames)
        start += len(decoded.frames)
        if decoded.is_last:
            return


def _other_content(frame: UsedFrame) -> str:
    return (
        f"{frame.file}: expected the frame of {frame.valid_time.replace('T', ' ')} with content "
        f"hash {frame.content_hash}, found none; the file is not the one that was ingested"
    )

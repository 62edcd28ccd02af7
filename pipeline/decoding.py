"""Files to packed frames, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.frames import Grid, zr_of
from pipeline.readers import READERS, sniff
from pipeline.reflectivity import ZR
from pipeline.writer import PackedFrame

AHEAD = 16
Progress = Callable[[int, int], None]
Refuse = Callable[[Path, Exception], None]


@dataclass(frozen=True)
class DecodedFile:
    """The frames of one file, packed, with the grid they are on."""

    path: Path
    reader: str
    grid: Grid
    zr: ZR
    frames: list[PackedFrame]


def decode_all(
    paths: Sequence[Path],
    reader: str | None,
    workers: int,
    refuse: Refuse,
    progress: Progress | None,
) -> Iterator[DecodedFile]:
    """The readable files in order, a few decoded ahead; the others go to `refuse`."""
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[tuple[Path, Future[DecodedFile]]] = deque()
        waiting = iter(paths)
        done = 0
        while True:
            for path in islice(waiting, AHEAD * workers - len(ahead)):
                ahead.append((path, pool.submit(_decode, path, reader)))
            if not ahead:
                return
            path, future = ahead.popleft()
            try:
                decoded = future.result()
            except (ValueError, OSError) as error:
                refuse(path, error)
            else:
                yield decoded
            done += 1
            if progress:
                progress(done, len(paths))


def _decode(path: Path, reader: str | None) -> DecodedFile:
    name = reader or sniff(path)
    frames = READERS[name](path)
    zr = zr_of(frames)
    packed = [
        PackedFrame.of(dbz, time, path.name, zr)
        for dbz, time in zip(frames.values, frames["time"].values, strict=True)
    ]
    return DecodedFile(path, name, Grid.of(frames), zr, packed)

"""One file to packed frames: what a worker does, in whatever process or machine it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.frames import Grid, zr_of
from pipeline.layout import Order, best_order, decode_frame
from pipeline.packed_frame import PackedFrame
from pipeline.readers import READERS, sniff
from pipeline.reflectivity import ZR

PIECE_BYTES = 64 * 2**20


class Places(NamedTuple):
    """A grid in the form that travels and compares fast."""

    x: bytes
    y: bytes
    crs_wkt: str

    @classmethod
    def of(cls, frames: xr.DataArray) -> Places:
        """The places of the pixels of frames."""
        axes = frames.coords.variables
        x, y = (np.asarray(axes[name].values, np.float64).tobytes() for name in ("x", "y"))
        return cls(x, y, str(axes["crs"].attrs["crs_wkt"]))


@lru_cache(maxsize=16)
def grid_at(places: Places) -> Grid:
    """The grid of pixels at these places.

    Raises:
        ValueError: If they are no regular grid.
    """
    return Grid(
        np.frombuffer(places.x, np.float64),
        np.frombuffer(places.y, np.float64),
        CRS.from_wkt(places.crs_wkt),
    )


class Job(NamedTuple):
    """A file to decode, or the piece of it that begins at frame `start`."""

    path: Path
    reader: str | None
    order: Order = "C"
    start: int = 0


@dataclass(frozen=True)
class DecodedFile:
    """Frames of one file, packed, with the grid they are on.

    Args:
        path: The file.
        reader: Who read it.
        places: Where the pixels are.
        zr: The Z–R relation of the file.
        frames: All of them, or the piece of them from frame `start` on.
        start: Frames of the file before these.
        total: Frames in the whole file.
    """

    path: Path
    reader: str
    places: Places
    zr: ZR
    frames: list[PackedFrame]
    start: int
    total: int

    @property
    def grid(self) -> Grid:
        """Where the pixels are."""
        return grid_at(self.places)

    @property
    def is_last(self) -> bool:
        """Whether no frame of the file comes after these."""
        return self.start + len(self.frames) >= self.total

    def best_order(self) -> Order:
        """In which order of scan its first frame takes less room; the frames are in order "C"."""
        return best_order(decode_frame(self.frames[0].chunk, self.grid.shape, "C"))


@dataclass(frozen=True)
class Refused:
    """A file that cannot be read, and why in one sentence."""

    path: Path
    reason: str


def decode(job: Job) -> DecodedFile | Refused:
    """The packed frames of a file; of one that is read lazily, a bounded piece of them."""
    try:
        return _decode(job)
    except (ValueError, OSError) as error:
        return Refused(job.path, str(error).removeprefix(f"{job.path}: "))


def _decode(job: Job) -> DecodedFile:
    name = job.reader or sniff(job.path)
    frames = READERS[name](job.path)
    zr, times = zr_of(frames), frames["time"].values
    if not times.size:
        raise ValueError("expected at least one frame, found none")
    packed = [
        PackedFrame.of(dbz, time, job.path.name, zr, job.order)
        for dbz, time in zip(_loaded(frames, job.start), times[job.start :], strict=False)
    ]
    return DecodedFile(job.path, name, Places.of(frames), zr, packed, job.start, times.size)


def _loaded(frames: xr.DataArray, start: int) -> Iterator[NDArray[np.float32]]:
    """Frames in memory from `start` on, one by one: all that are there, a piece of lazy ones."""
    if frames.chunks is None:
        yield from frames.values[start:]
        return
    length = max(1, PIECE_BYTES // (4 * frames[0].size))
    within = max(1, min(length, frames.chunks[0][0]))
    for first in range(start, min(start + length, len(frames)), within):
        part = frames[first : min(first + within, start + length)]
        yield from part.compute(scheduler="synchronous").values

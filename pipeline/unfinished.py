"""A tensor set in the making, which a build that is cut leaves to go on with."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from pipeline.intensities import CLASSES
from pipeline.manifest import Manifest

RECORD, FRAMES = "progress.json", "frames.npy"
MEANS, COUNTS = "means.bin", "counts.bin"
SAVE_BYTES = 256 * 2**20


class Progress(BaseModel):
    """How far a build is.

    Args:
        manifest: Of the set that it makes.
        named: Whether the caller named the splits.
        done: Frames that are on the disk.
    """

    manifest: Manifest
    named: bool
    done: int

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The record of a folder, if it holds a whole one."""
        try:
            return cls.model_validate_json((folder / RECORD).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, folder: Path) -> None:
        """Replace the record of a folder."""
        partial = folder / f"{RECORD}.partial"
        partial.write_text(self.model_dump_json(), "utf-8")
        partial.replace(folder / RECORD)


class Unfinished:
    """Appends frames, their block means and their intensities to the files of a tensor set.

    Args:
        folder: Where; what it holds of another set is removed.
        manifest: Of the set to make.
        named: As in `Progress`.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, named: bool) -> None:
        self.folder, self.progress = folder, Progress(manifest=manifest, named=named, done=0)
        block = manifest.acceptance.block
        self.blocks = (2, -(-manifest.height // block), -(-manifest.width // block))
        shape = (manifest.frames, manifest.height, manifest.width)
        self._header = npy_header("<i2", shape)
        found = Progress.read(folder)
        if found and found.manifest.content() == manifest.content() and self._holds(found.done):
            self.progress.done = found.done
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._saved = self.done

    @property
    def done(self) -> int:
        """Frames written."""
        return self.progress.done

    @contextmanager
    def writing(self) -> Iterator[Self]:
        """Open the files behind the last frame recorded; records how far they are at the end."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("ab")) for path in self._paths()]
            if not self.done:
                files[0].truncate(0)
                files[0].write(self._header)
            for file, size in zip(files, self._sizes(self.done), strict=True):
                file.truncate(size)
            self._files = files
            try:
                yield self
            finally:
                self._save()

    def append(
        self, packed: NDArray[np.int16], means: NDArray[np.float32], counts: NDArray[np.uint32]
    ) -> None:
        """Write frames (T, H, W), their block means (T, 2, h, w) and counts (T, CLASSES)."""
        frames_file, means_file, counts_file = self._files
        frames_file.write(np.ascontiguousarray(packed, "<i2").data)
        means_file.write(np.ascontiguousarray(means, "<f4").data)
        counts_file.write(np.ascontiguousarray(counts, "<u4").data)
        self.progress.done += len(packed)
        if packed[0].nbytes * (self.done - self._saved) >= SAVE_BYTES:
            self._save()

    def means(self) -> NDArray[np.float32]:
        """(N, 2, h, w) the block means of all frames written, memory-mapped."""
        return np.memmap(self.folder / MEANS, "<f4", "r", shape=(self.done, *self.blocks))

    def counts(self) -> NDArray[np.uint32]:
        """(N, CLASSES) the intensities of all frames written, memory-mapped."""
        return np.memmap(self.folder / COUNTS, "<u4", "r", shape=(self.done, CLASSES))

    def _paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in (FRAMES, MEANS, COUNTS))

    def _sizes(self, done: int) -> tuple[int, ...]:
        manifest = self.progress.manifest
        frames = len(self._header) + 2 * done * manifest.height * manifest.width
        return frames, 4 * done * int(np.prod(self.blocks)), 4 * done * CLASSES

    def _holds(self, done: int) -> bool:
        return all(
            path.exists() and path.stat().st_size >= size
            for path, size in zip(self._paths(), self._sizes(done), strict=True)
        )

    def _save(self) -> None:
        for file in self._files:
            _to_disk(file)
        self.progress.write(self.folder)
        self._saved = self.done


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """How a file begins in which numpy finds an array, row after row."""
    header = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())

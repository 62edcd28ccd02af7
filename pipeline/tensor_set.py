"""The tensor set: every used frame once and a table of its windows, memory-mapped."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_catalog.product import Split
from pipeline.manifest import Manifest
from pipeline.reflectivity import ZR
from pipeline.windows import SPLITS, WindowRule

FRAMES, WINDOWS, WETNESS, SEEN = "frames.npy", "windows.npz", "wetness.npy", "seen.npy"
CONTENTS = "contents.npy"


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one split, in time order.

    Args:
        start: (N,) first frame of each; the others follow.
        issue_time: (N,) valid time of the latest past frame, UTC.
        wetness: (N, h, w) mean of 1 − exp(−R / saturation) over all frames, by block.
        seen: (N, h, w) share of the latest past frame that is not missing, by block.
    """

    start: NDArray[np.int64]
    issue_time: NDArray[np.datetime64]
    wetness: NDArray[np.float16]
    seen: NDArray[np.float16]

    def __len__(self) -> int:
        return self.start.size


class TensorSet:
    """A folder that `build_tensors` wrote."""

    def __init__(self, path: Path, manifest: Manifest, table: dict[str, NDArray[Any]]):
        self.path, self.manifest, self._table = path, manifest, table

    @classmethod
    def open(cls, path: Path) -> TensorSet:
        """Open a tensor set and check that it is whole.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is of another version or damaged.
        """
        manifest = Manifest.read(path)
        try:
            with np.load(path / WINDOWS) as table:
                tensors = cls(path, manifest, {name: table[name] for name in table.files})
            found = tensors._shape()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path}: the tensor set is damaged ({error}); build it anew"
            ) from error
        expected = (manifest.frames, manifest.height, manifest.width)
        windows = sum(split.windows for split in manifest.splits.values())
        if found != (expected, windows) or tensors.frames.dtype != np.int16:
            raise ValueError(
                f"{path}: expected frames {expected} and {windows} windows, found {found[0]} and "
                f"{found[1]}; build the tensor set anew"
            )
        return tensors

    @cached_property
    def frames(self) -> NDArray[np.int16]:
        """(N, H, W) packed frames in time order, memory-mapped."""
        frames: NDArray[np.int16] = np.load(self.path / FRAMES, mmap_mode="r")
        return frames

    @cached_property
    def contents(self) -> NDArray[np.uint64]:
        """(M,) for each slot of the period a number that tells its frame, 0 where none was."""
        contents: NDArray[np.uint64] = np.load(self.path / CONTENTS, mmap_mode="r")
        return contents

    @cached_property
    def _wetness(self) -> NDArray[np.float16]:
        wetness: NDArray[np.float16] = np.load(self.path / WETNESS, mmap_mode="r")
        return wetness

    @cached_property
    def _seen(self) -> NDArray[np.float16]:
        seen: NDArray[np.float16] = np.load(self.path / SEEN, mmap_mode="r")
        return seen

    @property
    def rule(self) -> WindowRule:
        """What a window is."""
        return WindowRule(self.manifest.past, self.manifest.future)

    @property
    def zr(self) -> ZR:
        """The product's Z–R relation."""
        return ZR(self.manifest.zr_a, self.manifest.zr_b)

    def windows(self, split: Split) -> Windows:
        """The windows of one split, maybe none; their wetness and seen are memory-mapped."""
        code = SPLITS.index(split)
        first, stop = np.searchsorted(self._table["split"], [code, code + 1])
        own = slice(int(first), int(stop))
        table = self._table
        return Windows(
            table["start"][own], table["issue_time"][own], self._wetness[own], self._seen[own]
        )

    def _shape(self) -> tuple[tuple[int, ...], int]:
        """The shape of the frames, and how many windows there are; −1 where files disagree."""
        counts = {len(self._table[name]) for name in ("start", "split", "issue_time")}
        counts |= {len(self._wetness), len(self._seen)}
        manifest = self.manifest
        seconds = (manifest.period.end - manifest.period.start).total_seconds()
        slots = 1 + round(seconds / (60 * manifest.cadence_minutes))
        whole = len(counts) == 1 and self.contents.shape == (slots,)
        return self.frames.shape, counts.pop() if whole else -1

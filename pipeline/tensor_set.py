"""The tensor set: every used frame once, memory-mapped, and a table of its windows."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_catalog.product import Split
from pipeline.manifest import Manifest
from pipeline.reflectivity import ZR
from pipeline.windows import SPLITS, WindowRule

COLUMNS = ("start", "issue_time", "wetness", "seen")


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

    def __init__(self, path: Path, manifest: Manifest, table: dict[str, NDArray[np.generic]]):
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
            with np.load(path / "windows.npz") as table:
                tensors = cls(path, manifest, {name: table[name] for name in table.files})
            found = tensors.frames.shape
            count = len(tensors._table["start"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path}: the tensor set is damaged ({error}); build it anew"
            ) from error
        expected = (manifest.frames, manifest.height, manifest.width)
        windows = sum(split.windows for split in manifest.splits.values())
        if found != expected or tensors.frames.dtype != np.int16 or count != windows:
            raise ValueError(
                f"{path}: expected frames {expected} and {windows} windows, found {found} and "
                f"{count}; build the tensor set anew"
            )
        return tensors

    @cached_property
    def frames(self) -> NDArray[np.int16]:
        """(N, H, W) packed frames in time order, memory-mapped."""
        frames: NDArray[np.int16] = np.load(self.path / "frames.npy", mmap_mode="r")
        return frames

    @property
    def rule(self) -> WindowRule:
        """What a window is."""
        return WindowRule(self.manifest.past, self.manifest.future)

    @property
    def zr(self) -> ZR:
        """The product's Z–R relation."""
        return ZR(self.manifest.zr_a, self.manifest.zr_b)

    def windows(self, split: Split) -> Windows:
        """The windows of one split, maybe none."""
        chosen = self._table["split"] == SPLITS.index(split)
        return Windows(*(self._table[name][chosen] for name in COLUMNS))

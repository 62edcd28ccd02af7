"""Where an image set lies, and which of the layouts its folder has."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.cifar import find_cifar
from pipeline.idx import idx_files, read_idx, read_labelled
from pipeline.image_folders import find_folders, find_zips
from pipeline.pictures import Source

FETCHED = Path("data")


def roots(root: Path | None) -> tuple[Path, ...]:
    """Folders in which the catalog's sets may lie: `root`, or NOWCAST_DATA and the usual ones."""
    if root is not None:
        return (root,)
    named = os.environ.get("NOWCAST_DATA")
    beside = Path(__file__).parents[2] / "shared" / "data"
    return (*((Path(named),) if named else ()), beside, FETCHED)


def find_idx(folder: Path, classes: tuple[str, ...] | None) -> Source | None:
    """The IDX files of a folder, if there are any.

    Raises:
        ValueError: If the labels cannot be read.
    """
    found = {part: idx_files(folder, part) for part in ("train", "test")}
    files = {part: pair for part, pair in found.items() if pair}
    if not files:
        return None
    if classes is None:
        highest = max(int(read_idx(labels).max(initial=0)) for _, labels in files.values())
        classes = tuple(map(str, np.arange(highest + 1)))
    count = len(classes)
    return Source(
        classes,
        {part: partial(read_labelled, *pair, count) for part, pair in files.items()},
    )


LAYOUTS: tuple[Callable[[Path, tuple[str, ...] | None], Source | None], ...] = (
    find_idx,
    find_cifar,
    find_zips,
    find_folders,
)

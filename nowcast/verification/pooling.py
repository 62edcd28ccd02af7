"""Sums over issue times, read a few at once, so that a period may be of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

BLOCK = 256


def in_blocks(sums: xr.DataArray, block: int = BLOCK) -> Iterator[tuple[slice, NDArray[Any]]]:
    """The places of successive issue times and their sums (issue_time, ...), `block` at once."""
    for first in range(0, sums.sizes["issue_time"], block):
        rows = slice(first, min(first + block, sums.sizes["issue_time"]))
        yield rows, sums.isel(issue_time=rows).transpose("issue_time", ...).to_numpy()


def pooled(sums: xr.DataArray) -> xr.DataArray:
    """Over the issue times, where they are told apart: one after the other, so that the result is
    the same however they are stored; never more than BLOCK of them in memory."""
    if "issue_time" not in sums.dims:
        return sums
    together = np.zeros(sums.sizes["issue_time"], np.int64)
    return pooled_by(sums, together, 1).isel(group=0)


def pooled_by(sums: xr.DataArray, groups: NDArray[np.int64], count: int) -> xr.DataArray:
    """As `pooled`, but apart for each of `count` groups.

    Args:
        sums: Told apart by issue time.
        groups: Of each issue time, 0 to count − 1.
        count: Number of groups.

    Returns:
        (group, ...)
    """
    nothing = sums.isel(issue_time=slice(0)).sum("issue_time", dtype=sums.dtype)
    totals = np.zeros((count, *nothing.shape), sums.dtype)
    for rows, block in in_blocks(sums):
        held = groups[rows]
        for group in np.unique(held):
            added = np.concatenate([totals[[group]], block[held == group]])
            # unlike a sum, which adds in pairs, it adds one after the other
            totals[group] = np.add.accumulate(added, dtype=sums.dtype)[-1]
    return nothing.expand_dims(group=count).copy(data=totals)

"""Scores files of made-up errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from nowcast.verification.tally import Tally
from pipeline.batch import ZR

PIXELS = 1000


def error_sums(errors: np.ndarray, hits: np.ndarray | None = None) -> xr.Dataset:
    """Sums of a tally, (F, T) mean absolute errors and hits of 100 events a time given."""
    names = ["first", "second"][: len(errors)]
    tally = Tally(names, [10], [1.0], ZR(200.0, 1.6), [1.0], 1.0)
    for n in range(errors.shape[1]):
        row: dict[str, Any] = {}
        for name, kind in tally.kinds.items():
            shape = [len(names), *[1] * (len(kind.dims) - 1)]
            row[name] = np.ones(shape, kind.dtype)
        row["pixels"] *= PIXELS
        row["absolute_error_sum"] = errors[:, n, None] * PIXELS
        if hits is not None:
            row["hits"] = hits[:, n, None, None]
            row["misses"] = 100 - row["hits"]
        issued = np.datetime64("2018-06-01T00:00", "ns") + n * np.timedelta64(10, "m")
        tally.rows[issued] = row
    return tally.sums()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)

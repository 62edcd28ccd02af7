"""Scores files of several days or several runs as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.verification.protocol import Protocol
from nowcast.verification.tally import Tally


def merge(files: Sequence[Path]) -> xr.Dataset:
    """One scores file of several, of different issue times: exactly that of one run over all.

    Raises:
        ValueError: If there is none, or they differ in protocol or share an issue time.
    """
    if not files:
        raise ValueError("merge: expected at least one scores file, found none")
    whole = _read(files[0])
    for path in files[1:]:
        try:
            whole = whole + _read(path)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return whole.to_dataset()


def _read(path: Path) -> Tally:
    with xr.open_dataset(path) as scores:
        return Tally.from_dataset(scores.load())


def check_comparable(here: xr.Dataset, there: xr.Dataset) -> None:
    """Refuse to set scores beside each other that were not made alike.

    Raises:
        ValueError: If the protocols differ, or issue times, lead times or compared pixels do.
    """
    first, second = Protocol.of(here), Protocol.of(there)
    if first.id != second.id:
        rules = ("thresholds", "zr", "scales_km", "pixel_km", "cadence_minutes", "cell_km")
        apart = next(name for name in rules if getattr(first, name) != getattr(second, name))
        raise ValueError(
            f"scores: expected protocol {first.id} ({apart} {getattr(first, apart)}), found "
            f"{second.id} ({apart} {getattr(second, apart)}); score both by one protocol"
        )
    for axis in ("issue_time", "lead_time"):
        if not np.array_equal(here[axis], there[axis]):
            raise ValueError(f"scores: expected the same {axis}s in both files, found others")
    pixels = [scores["pixels"].isel(forecaster=0).to_numpy() for scores in (here, there)]
    if not np.array_equal(pixels[0], pixels[1]):
        raise ValueError(
            "scores: expected the same compared pixels in both files, found others; score the "
            "forecasters in one run"
        )

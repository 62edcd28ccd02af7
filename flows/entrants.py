"""Who is compared: forecasters that run now, and forecasts that were made elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from flows.forecasting import fitting_forecaster, forecast_at
from flows.program import hash_of
from nowcast.forecasters import Forecaster, Rollout
from pipeline.clock import clock, format_cadence
from pipeline.forecasts import NETCDF, open_forecast
from pipeline.frames import Grid
from pipeline.store import Store

Times = NDArray[np.datetime64]


class Entrant(Protocol):
    """Has a forecast for an issue time, by whatever means."""

    @property
    def name(self) -> str:
        """How scores and files call it."""

    @property
    def members(self) -> int:
        """Of its ensemble; 1 without."""

    def fingerprint(self, issue_times: Times) -> str:
        """Changes when its forecasts of these issue times may have."""

    def forecast(self, store: Store, slot: int, steps: int) -> Tensor:
        """(steps, H, W) dBZ issued at a slot, or (M, steps, H, W) of M members."""


@dataclass(frozen=True)
class Live:
    """A forecaster that sees the frames of the store up to the issue time."""

    forecaster: Forecaster

    @property
    def name(self) -> str:
        """How scores and files call it."""
        return self.forecaster.name

    @property
    def members(self) -> int:
        """Of its ensemble; 1 without."""
        return int(getattr(self.forecaster, "members", 1))

    def fingerprint(self, issue_times: Times) -> str:  # noqa: ARG002
        """The hash of its checkpoint if it has one, else its name."""
        return self.forecaster.fingerprint if isinstance(self.forecaster, Rollout) else self.name

    def forecast(self, store: Store, slot: int, steps: int) -> Tensor:
        """(steps, H, W) dBZ issued at a slot, or (M, steps, H, W) of M members."""
        return forecast_at(store, self.forecaster, slot, steps)


@dataclass(frozen=True)
class Filed:
    """Forecasts of one name from files.

    Args:
        name: How scores and files call it.
        members: Of its ensemble; 1 without.
        steps: Of every forecast.
        places: Issue time → file and index in it.
    """

    name: str
    members: int
    steps: int
    places: dict[np.datetime64, tuple[Path, int]] = field(repr=False)

    def fingerprint(self, issue_times: Times) -> str:
        """Hashes of what is in the files concerned, wherever they lie."""
        files = {self.places[time][0] for time in issue_times}
        return " ".join(sorted(map(_content, files)))

    def forecast(self, store: Store, slot: int, steps: int) -> Tensor:
        """(steps, H, W) dBZ issued at a slot, or (M, steps, H, W) of M members."""
        path, index = self.places[store.times[slot]]
        with NETCDF, open_forecast(path, store.zr) as held:
            dbz = held["reflectivity"].isel(issue_time=index, lead_time=slice(steps))
            order = ("realization", "lead_time", "y", "x")
            fields = dbz.transpose(*order, missing_dims="ignore").to_numpy()
        return torch.from_numpy(fields.astype(np.float32, copy=False))


def _content(path: Path) -> str:
    """A hash of a file, or of the files in a folder; read again only if one has changed."""
    inside = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    states = [(file, file.stat()) for file in inside]
    return _hash(path, tuple((file, state.st_size, state.st_mtime_ns) for file, state in states))


@lru_cache(maxsize=4096)
def _hash(path: Path, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    files = [file for file, _, _ in stamps]
    return hash_of((file.relative_to(path).as_posix(), file) for file in files)


def live(names: Sequence[str], store: Store) -> list[Entrant]:
    """The forecasters of these names; persistence is always among them, as the reference."""
    every = dict.fromkeys(["persistence", *names])
    return [Live(fitting_forecaster(name, store)) for name in every]


def filed(files: Iterable[Path], store: Store) -> list[Filed]:
    """The forecasts in forecast files, those of one name together.

    A file without the attribute `forecaster` goes by its own name.

    Raises:
        FileNotFoundError: If one is absent.
        ValueError: If a file does not fit the store, or an issue time comes twice for one name.
    """
    found: dict[str, list[tuple[Path, Times, int, int]]] = defaultdict(list)
    for path in files:
        with open_forecast(path, store.zr) as held:
            check_fits(held, path, store)
            name = str(held.attrs.get("forecaster", path.stem))
            times = held["issue_time"].to_numpy().astype("datetime64[ns]")
            members, steps = held.sizes.get("realization", 1), held.sizes["lead_time"]
        found[name].append((path, times, members, steps))
    return [_together(name, parts) for name, parts in found.items()]


def _together(name: str, parts: Sequence[tuple[Path, Times, int, int]]) -> Filed:
    places: dict[np.datetime64, tuple[Path, int]] = {}
    first = parts[0]
    for path, times, members, _ in parts:
        if members != first[2]:
            raise ValueError(
                f"{path}: expected {first[2]} members of {name} as in {first[0]}, found {members}"
            )
        for index, time in enumerate(times):
            if time in places:
                other = places[time][0]
                raise ValueError(
                    f"{path}: {name} of {clock(time)} is in {other} too; give each forecast once"
                )
            places[time] = (path, index)
    return Filed(name, first[2], min(steps for *_, steps in parts), places)


def check_fits(forecast: xr.Dataset, path: Path, store: Store) -> None:
    """Refuse forecasts that the frames of a store cannot verify pixel by pixel.

    Raises:
        ValueError: If grid, Z–R relation, lead times or issue times do not fit.
    """
    difference = store.grid.difference(Grid.of(forecast))
    if difference and not _same_places(store.grid, Grid.of(forecast)):
        raise ValueError(f"{path}: expected the grid of {store.address}, {difference}")
    held = tuple(forecast.attrs.get(name) for name in ("zr_a", "zr_b"))
    expected = (store.zr.a, store.zr.b)
    if None not in held and not np.allclose(np.asarray(held, float), expected):
        raise ValueError(
            f"{path}: expected zr_a, zr_b of {store.address}, {expected[0]:g}, {expected[1]:g}, "
            f"found {held[0]:g}, {held[1]:g}"
        )
    minutes = store.cadence / np.timedelta64(1, "m")
    leads = forecast["lead_time"].to_numpy()
    if not leads.size or not np.allclose(leads, minutes * np.arange(1, leads.size + 1)):
        raise ValueError(
            f"{path}: expected lead times every {format_cadence(store.cadence)[2:]} from the first "
            f"frame ahead, as {store.address} has frames, found {leads.tolist()} minutes"
        )
    for time in forecast["issue_time"].to_numpy():
        try:
            store.slot(time)
        except ValueError as error:
            raise ValueError(f"{path}: issue time does not fit the store: {error}") from error


def _same_places(here: Grid, there: Grid) -> bool:
    """Whether the corner pixels of both lie within a tenth of a pixel of each other on Earth,
    however their projections are written."""
    if here.shape != there.shape:
        return False
    corners = [np.stack(_corners(grid).longitude_latitude()) for grid in (here, there)]
    apart = (corners[0] - corners[1]) * 111_194.9
    apart[0] *= np.cos(np.radians(corners[0][1]))
    return bool(np.hypot(*apart).max() < 0.1 * here.pixel_m)


def _corners(grid: Grid) -> Grid:
    return Grid(grid.x[[0, -1]], grid.y[[0, -1]], grid.crs)

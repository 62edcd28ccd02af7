"""The last hour of the store and the newest forecasts, as the live page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.forecasting import NONE
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.moments import stamp
from flows.service.status import Status
from nowcast.report.live_facts import ForecastFacts, SkyFacts
from pipeline.forecasts import open_forecast
from pipeline.reflectivity import ZR
from pipeline.store import FILLED, Store
from pipeline.windows import as_datetime

SEEN = np.timedelta64(60, "m")


@dataclass(frozen=True)
class Sight:
    """What there is to see.

    Args:
        sky: None without a frame.
        cadence_minutes: Of the store; None without one.
        checkpoints: Forecaster → hash of the checkpoint that made its forecast.
        problems: What could not be read, a sentence each.
    """

    sky: SkyFacts | None = None
    cadence_minutes: float | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def look_up(configuration: Configuration, status: Status) -> Sight:
    """The frames of the last hour and the forecasts that the status names as the newest."""
    try:
        store = Store.open(configuration.store)
        newest = store.newest()
    except FileNotFoundError:
        return Sight()
    except (OSError, ValueError, RuntimeError) as error:
        return Sight(problems=(str(error),))
    minutes = float(store.cadence / np.timedelta64(1, "m"))
    if newest is None:
        return Sight(cadence_minutes=minutes)
    forecasts, checkpoints, problems = _forecasts(Folders(configuration.out), status, store)
    try:
        sky = _sky(store, newest, forecasts)
    except (OSError, ValueError, RuntimeError) as error:
        unread = f"{configuration.store}: the newest frames cannot be read: {error}"
        return Sight(None, minutes, checkpoints, (*problems, unread))
    return Sight(sky, minutes, checkpoints, tuple(problems))


def _sky(store: Store, newest: np.datetime64, forecasts: tuple[ForecastFacts, ...]) -> SkyFacts:
    stretch = store.slots_between(newest - SEEN, newest)
    return SkyFacts(
        times=tuple(map(as_datetime, store.times[stretch])),
        observed=store.dbz(stretch.start, stretch.stop),
        filled=tuple(map(bool, np.isin(store.column("status", stretch), FILLED))),
        forecasts=forecasts,
        x=store.grid.x,
        y=store.grid.y,
        degrees=store.grid.crs.is_geographic,
        zr=store.zr,
    )


def _forecasts(
    folders: Folders, status: Status, store: Store
) -> tuple[tuple[ForecastFacts, ...], dict[str, str], list[str]]:
    """What can be read, the checkpoints that made it, and what cannot be."""
    forecasts: list[ForecastFacts] = []
    checkpoints: dict[str, str] = {}
    problems: list[str] = []
    latest = status.latest
    if latest is None:
        return (), checkpoints, problems
    for name, made in latest.forecasters.items():
        path = folders.forecast(stamp(latest.issue_time), name)
        try:
            forecast, checkpoint = _read(path, name, store)
        except (OSError, ValueError, RuntimeError) as error:
            problems.append(str(error))
            continue
        fallback = made.fallback or forecast.fallback
        forecasts.append(replace(forecast, seconds=made.seconds, fallback=fallback))
        if checkpoint != NONE:
            checkpoints[name] = checkpoint
    return tuple(forecasts), checkpoints, problems


def _read(path: Path, name: str, store: Store) -> tuple[ForecastFacts, str]:
    with open_forecast(path) as held:
        if (shape := (held.sizes["y"], held.sizes["x"])) != store.grid.shape:
            raise ValueError(f"{path}: expected {store.grid.shape} pixels, found {shape}")
        issued = held.isel(issue_time=-1)
        dims = ("realization",) if "realization" in issued["reflectivity"].dims else ()
        fields = issued["reflectivity"].transpose(*dims, "lead_time", "y", "x")
        facts = ForecastFacts(
            name,
            as_datetime(np.datetime64(issued["issue_time"].item(), "ns")),
            tuple(map(as_datetime, issued["valid_time"].to_numpy())),
            _mean(fields.to_numpy(), store.zr),
            fallback=held.attrs.get("fallback"),
        )
        return facts, str(held.attrs.get("checkpoint", NONE))


def _mean(dbz: NDArray[np.floating], zr: ZR) -> NDArray[np.floating]:
    """The reflectivity of the mean rain rate of members (M, steps, H, W), if there are any."""
    return dbz if dbz.ndim == 3 else zr.dbz(zr.rain_rate(dbz).mean(0)).astype(dbz.dtype)

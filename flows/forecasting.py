"""Forecasts from the frames of a store."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from nowcast.checkpoint import code_version
from nowcast.forecasters import Forecaster, Rollout, load_forecaster
from pipeline.clock import clock, format_cadence
from pipeline.forecasts import make_forecast
from pipeline.places import Address
from pipeline.store import Store

PAST = 3


def issue_forecast(
    address: Address, forecaster_name: str, at: str = "latest", lead_minutes: int = 60
) -> xr.Dataset:
    """One forecast from the frames up to its issue time, as a forecast file holds it.

    Args:
        address: The store.
        forecaster_name: A name in FORECASTERS or the path of a checkpoint.
        at: The issue time in UTC, or "latest" for the newest frame.
        lead_minutes: How far ahead; a multiple of the cadence.

    Raises:
        ValueError: If the store has no frame at that time, or the lead time, the cadence or the
            forecaster does not fit.
    """
    store = Store.open(address)
    forecaster = fitting_forecaster(forecaster_name, store)
    steps = lead_steps(store, lead_minutes)
    slot = issue_slot(store, at)
    dbz = forecast_at(store, forecaster, slot, steps)
    provenance = {
        "forecaster": forecaster.name,
        "checkpoint": forecaster.fingerprint if isinstance(forecaster, Rollout) else "none",
        "store": str(address),
        "product": store.product,
        "code_version": code_version(),
    }
    issued = [store.times[slot]]
    return make_forecast(dbz.numpy()[None], issued, store.cadence, store.grid, store.zr, provenance)


def fitting_forecaster(name: str, store: Store) -> Forecaster:
    """The forecaster of that name, if it was made for the store's cadence.

    Raises:
        ValueError: If a network was trained for another cadence.
    """
    forecaster = load_forecaster(name)
    trained = forecaster.task.cadence_minutes if isinstance(forecaster, Rollout) else None
    minutes = store.cadence / np.timedelta64(1, "m")
    if trained not in (None, minutes):
        raise ValueError(
            f"{name}: was trained on frames every {trained:g} minutes, found a store with one "
            f"every {minutes:g}; train one on such frames"
        )
    return forecaster


def forecast_at(store: Store, forecaster: Forecaster, slot: int, steps: int) -> Tensor:
    """(steps, H, W) dBZ from the PAST frames up to a slot; a slot that is not filled is NaN."""
    first = max(slot + 1 - PAST, 0)
    past = torch.from_numpy(store.dbz(first, slot + 1))[None]
    return forecaster.forecast(past, steps)[0]


def lead_steps(store: Store, lead_minutes: int) -> int:
    """How many frames ahead a lead time is.

    Raises:
        ValueError: If it is no multiple of the cadence.
    """
    steps, rest = divmod(np.timedelta64(lead_minutes, "m"), store.cadence)
    if rest or steps < 1:
        raise ValueError(
            f"lead time: expected a multiple of the cadence {format_cadence(store.cadence)[2:]}, "
            f"found {lead_minutes} minutes"
        )
    return int(steps)


def issue_slot(store: Store, at: str) -> int:
    """The slot of an issue time, or of the newest frame for "latest".

    Raises:
        ValueError: If there is no frame at that time.
    """
    filled = np.flatnonzero(store.observed)
    if not filled.size:
        raise ValueError(f"{store.address}: the store holds no frame yet; ingest files first")
    if at == "latest":
        return int(filled[-1])
    slot = store.slot(parse_time(at))
    if slot not in filled:
        held = f"{clock(store.times[filled[0]])} to {clock(store.times[filled[-1]])}"
        raise ValueError(
            f"{store.address}: no frame at {clock(parse_time(at))}; it holds frames from {held}"
        )
    return slot


def parse_time(text: str) -> np.datetime64:
    """A time in UTC of what people write: 2018-06-16T12:00 or "2018-06-16 12:00".

    Raises:
        ValueError: If it is none.
    """
    try:
        time = np.datetime64(text.strip().removesuffix("Z").replace(" ", "T"), "ns")
    except ValueError as error:
        raise ValueError(f"expected a time such as 2018-06-16T12:00, found {text!r}") from error
    if np.isnat(time):
        raise ValueError(f"expected a time such as 2018-06-16T12:00, found {text!r}")
    return time

"""Forecasts from the frames of a store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flows.program import program
from nowcast.checkpoint import code_version
from nowcast.forecasters import Forecaster, Rollout, load_forecaster
from pipeline.clock import clock, format_cadence
from pipeline.forecasts import make_forecast
from pipeline.places import Address
from pipeline.store import FILLED, Store

PAST = 3
NONE = "none"


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
    path = str(Path(forecaster_name).absolute()) if isinstance(forecaster, Rollout) else NONE
    slot = issue_slot(store, at)
    return forecast_dataset(store, forecaster, slot, steps, checkpoint_path=path)


def forecast_dataset(
    store: Store, forecaster: Forecaster, slot: int, steps: int, /, **attributes: str
) -> xr.Dataset:
    """One forecast from the frames up to a slot, as a forecast file holds it.

    Its attributes name forecaster, checkpoint, store, code version, `program` and `inputs`,
    the past frames that it saw: their valid times, sources and content hashes, as JSON.
    `store_fingerprint` is that of their slots.

    Args:
        store: Whose frames are the past.
        forecaster: Made for the store's cadence, see `fitting_forecaster`.
        slot: Of the issue time.
        steps: How many frames ahead.
        attributes: More of them, or others than these; `checkpoint_path` is to be told here.
    """
    # the hashes first: a frame revised in between shows as revised, not as used
    inputs = inputs_of(store, slot)
    dbz = forecast_at(store, forecaster, slot, steps)
    provenance = {
        "forecaster": forecaster.name,
        "checkpoint": forecaster.fingerprint if isinstance(forecaster, Rollout) else NONE,
        "checkpoint_path": NONE,
        "store": str(store.address),
        "product": store.product,
        "code_version": code_version(),
        "program": program(),
        "store_fingerprint": store.fingerprint(past_slots(slot)),
        **({"store_snapshot": store.snapshot} if store.snapshot else {}),
        "inputs": json.dumps(inputs),
        **attributes,
    }
    issued = [store.times[slot]]
    return make_forecast(dbz.numpy()[None], issued, store.cadence, store.grid, store.zr, provenance)


def past_slots(slot: int) -> slice:
    """The slots that a forecast issued at a slot looks back on."""
    return slice(max(slot + 1 - PAST, 0), slot + 1)


def inputs_of(store: Store, slot: int) -> list[dict[str, str]]:
    """Valid time, source and content hash of each frame that a forecast issued at a slot sees."""
    past = past_slots(slot)
    columns = (store.times[past], store.column("source", past), store.column("content_hash", past))
    filled = np.isin(store.column("status", past), FILLED)
    return [
        {
            "valid_time": np.datetime_as_string(time, unit="s"),
            "source": str(source),
            "content_hash": str(content),
        }
        for time, source, content in zip(*(column[filled] for column in columns), strict=True)
    ]


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
    past = past_slots(slot)
    frames = torch.from_numpy(store.dbz(past.start, past.stop))[None]
    return forecaster.forecast(frames, steps)[0]


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

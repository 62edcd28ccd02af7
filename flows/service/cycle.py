"""Forecasts of the issue times that are due, each as files and a line in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from flows.forecasting import NONE, fitting_forecaster, forecast_dataset, lead_steps
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.inbox import Inbox
from flows.service.journal import newest_days, note, records
from flows.service.moments import wall_clock
from flows.service.promotion import network_in_service
from nowcast.forecasters import Forecaster, Rollout
from pipeline.clock import clock
from pipeline.forecasts import write_forecast
from pipeline.places import place_of
from pipeline.store import FILLED, Store

FALLBACK = "extrapolation"


@dataclass(frozen=True)
class Player:
    """Somebody who forecasts in the service.

    Args:
        name: What its files are called.
        forecaster: None if it cannot be used.
        checkpoint: Its path, or NONE.
        why: Why it cannot be used, in one sentence.
    """

    name: str
    forecaster: Forecaster | None
    checkpoint: str = NONE
    why: str = ""


@dataclass(frozen=True)
class Issued:
    """The forecasts of one issue time.

    Args:
        issue_time: In UTC.
        seconds: Forecaster → how long it took.
        fallbacks: Forecaster that could not be used → why, in one sentence.
    """

    issue_time: np.datetime64
    seconds: dict[str, float] = field(default_factory=dict)
    fallbacks: dict[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """What happened, for people."""
        names = [
            f"{name} ({FALLBACK} in its place)" if name in self.fallbacks else name
            for name in self.seconds
        ]
        return f"{clock(self.issue_time)}: {', '.join(names)}"


def forecast_due(
    configuration: Configuration, finish: Callable[[Issued], object] = lambda _: None
) -> list[Issued]:
    """Forecast from every frame that is due, the newest first, until none is.

    Due are the newest frame and those up to `catch_up_minutes` older that were not forecast from
    before; frames that come meanwhile as well.

    Args:
        configuration: What runs.
        finish: Called after each issue time.
    """
    players: list[Player] = []
    issued: list[Issued] = []
    while place_of(configuration.store).exists():
        store = Store.open(configuration.store)
        slots = due_slots(configuration, store)
        if not slots:
            break
        players = players or load_players(configuration, store)
        issued.append(issue(configuration, store, slots[0], players))
        finish(issued[-1])
    return issued


def due_slots(configuration: Configuration, store: Store) -> list[int]:
    """The slots of the issue times that are due, the newest first."""
    newest = store.newest()
    if newest is None:
        return []
    minutes = configuration.catch_up_minutes
    since = newest - np.timedelta64(round(60 * minutes), "s")
    cycles = newest_days(Folders(configuration.out).cycles, 2 + int(minutes // (24 * 60)))
    done = {np.datetime64(line["issue_time"], "ns") for line in records(cycles)}
    stretch = store.slots_between(since, newest)
    filled = np.isin(store.column("status", stretch), FILLED)
    slots = stretch.start + np.flatnonzero(filled)
    return [int(slot) for slot in slots[::-1] if store.times[slot] not in done]


def load_players(configuration: Configuration, store: Store) -> list[Player]:
    """Who forecasts; the network in service comes last."""
    players = [_player(name, Path(name).stem, store) for name in configuration.forecasters]
    try:
        network = network_in_service(configuration)
    except ValueError as error:
        players.append(Player("network", None, why=str(error)))
    else:
        if network is not None:
            players.append(_player(str(network.checkpoint), network.name, store))
    return list({player.name: player for player in players}.values())


def _player(place: str, name: str, store: Store) -> Player:
    try:
        forecaster = fitting_forecaster(place, store)
    except (ValueError, OSError) as error:
        return Player(name, None, place, str(error))
    checkpoint = str(Path(place).absolute()) if isinstance(forecaster, Rollout) else NONE
    return Player(forecaster.name, forecaster, checkpoint)


def issue(
    configuration: Configuration, store: Store, slot: int, players: Sequence[Player]
) -> Issued:
    """Write the forecasts of one issue time, and a line in the journal of cycles."""
    folders, steps = Folders(configuration.out), lead_steps(store, configuration.lead_minutes)
    started, issued = wall_clock(), Issued(store.times[slot])
    for player in players:
        begun = time.perf_counter()
        with torch.inference_mode():
            forecast = _forecast(store, player, slot, steps)
        write_forecast(folders.forecast(issued.issue_time, player.name), forecast)
        issued.seconds[player.name] = time.perf_counter() - begun
        if "fallback" in forecast.attrs:
            issued.fallbacks[player.name] = forecast.attrs["fallback"]
    line = {"started": started, "published": wall_clock()}
    note(
        folders.day(folders.cycles, issued.issue_time),
        _origin(configuration, store, slot) | line | _told(issued),
    )
    return issued


def _forecast(store: Store, player: Player, slot: int, steps: int) -> xr.Dataset:
    """The player's forecast, or in its place one of extrapolation that says why."""
    why = player.why
    if player.forecaster is not None:
        try:
            return forecast_dataset(
                store, player.forecaster, slot, steps, checkpoint_path=player.checkpoint
            )
        except (ValueError, RuntimeError, FloatingPointError, MemoryError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            why = f"{player.name}: {what}"
    instead = fitting_forecaster(FALLBACK, store)
    told = {"forecaster": player.name, "made_by": FALLBACK, "fallback": why}
    return forecast_dataset(store, instead, slot, steps, **told)


def _origin(configuration: Configuration, store: Store, slot: int) -> dict[str, Any]:
    """When the file of a slot came in."""
    source = str(store.column("source", slice(slot, slot + 1))[0])
    taken = Inbox(configuration.inbox, Folders(configuration.out).ledger).taken(source)
    return asdict(taken) | {"arrived": wall_clock(taken.arrived / 1e9)} if taken else {}


def _told(issued: Issued) -> dict[str, Any]:
    return {
        "issue_time": str(issued.issue_time.astype("datetime64[m]")),
        "forecasters": {
            name: {"seconds": round(seconds, 3)}
            | ({"fallback": issued.fallbacks[name]} if name in issued.fallbacks else {})
            for name, seconds in issued.seconds.items()
        },
    }

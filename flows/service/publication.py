"""What people and monitoring see of the service, made anew after each turn."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from flows.forecasting import issue_slot
from flows.service.alerts import raise_alerts
from flows.service.configuration import Configuration
from flows.service.cycle import Issued, forecast_due, issue, load_players
from flows.service.folders import Folders
from flows.service.live import write_live
from flows.service.skill import score_due
from flows.service.status import Status, look
from pipeline.store import Store


def keep_current(configuration: Configuration) -> str:
    """Forecast from what is due and publish it; what happened, in a sentence.

    One run at a time does so; whoever comes meanwhile leaves its work to that one, which looks
    again before it ends.
    """
    folders = Folders(configuration.out)
    with _alone(folders.out / "forecast.lock") as alone:
        if not alone:
            return "another run is at it, and takes what is due"
        issued = forecast_due(configuration, lambda _: publish(configuration))
        score_due(configuration, folders)
        publish(configuration)
    return "; ".join(each.sentence() for each in issued) or "nothing is due"


def issue_at(configuration: Configuration, at: str) -> Issued:
    """Forecast from one issue time, whether or not that was done before.

    Raises:
        ValueError: If the store has no frame at that time.
    """
    store = Store.open(configuration.store)
    slot = issue_slot(store, at)
    return issue(configuration, store, slot, load_players(configuration, store))


def refresh(configuration: Configuration) -> None:
    """Publish anew if no run is about to do so."""
    with _alone(Folders(configuration.out).out / "forecast.lock") as alone:
        if alone:
            publish(configuration)


def publish(configuration: Configuration) -> Status:
    """Rewrite status.json and the live page, and say what somebody should look at."""
    folders = Folders(configuration.out)
    status = look(configuration, now())
    if raise_alerts(configuration, status):
        status = look(configuration, now())
    partial = folders.status.with_name(f".{folders.status.name}.{os.getpid()}")
    partial.write_text(status.model_dump_json(indent=2), encoding="utf-8")
    partial.replace(folders.status)
    write_live(configuration, status)
    return status


def now() -> np.datetime64:
    """The time of this machine's clock in UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "ns")


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock, which ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True

"""What is wrong with the service, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.service.configuration import Configuration

if TYPE_CHECKING:
    from flows.service.status import Status

Found = TypeVar("Found")


class Problems:
    """Collects what cannot be read, a sentence each."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def spared(self, read: Callable[[], Found]) -> Found | None:
        """What a function reads; None, and a sentence more, where it fails."""
        try:
            return read()
        except Exception as error:
            told = str(error).splitlines()
            self.sentences.append(told[0] if told else type(error).__name__)
            return None


def find_problems(configuration: Configuration, status: Status) -> list[str]:
    """What of a status somebody should look at."""
    return [
        *_of_frames(configuration, status),
        *_of_forecasts(configuration, status),
        *_of_disk(configuration, status),
    ]


def _of_frames(configuration: Configuration, status: Status) -> Iterator[str]:
    if status.product is not None and status.age_minutes is None:
        yield f"{status.store}: the store holds no frame yet; see what is in {configuration.inbox}"
    limit = configuration.alerts.stale_minutes
    if status.age_minutes is not None and status.age_minutes > limit:
        yield (
            f"the newest frame is {span(status.age_minutes)} old, expected at most {span(limit)}; "
            f"see what arrives in {configuration.inbox}"
        )


def _of_forecasts(configuration: Configuration, status: Status) -> Iterator[str]:
    newest, latest, network = status.newest_frame, status.latest, status.network
    if newest is not None and latest is None:
        yield "no forecast was made yet"
    elif newest is not None and latest is not None:
        patience = configuration.timeout_minutes + configuration.cadence_minutes
        if newest - latest.issue_time > timedelta(minutes=patience):
            yield (
                f"the newest frame is of {newest:%Y-%m-%d %H:%M} UTC, "
                f"the newest forecast of {latest.issue_time:%Y-%m-%d %H:%M}"
            )
    for name, made in latest.forecasters.items() if latest else ():
        if made.fallback:
            yield f"extrapolation stands in for {name}: {made.fallback}"
    if network is not None and not Path(network.checkpoint).is_file():
        yield f"{network.checkpoint}: expected the network in service, found no such file"


def _of_disk(configuration: Configuration, status: Status) -> Iterator[str]:
    limit = configuration.alerts.disk_free_gb
    if status.disk is not None and status.disk.free_gb < limit:
        yield (
            f"{configuration.out}: {status.disk.free_gb:.1f} GB are free, expected at least "
            f"{limit:g}; make room"
        )


def span(minutes: float) -> str:
    """A length of time as people say it."""
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.0f} hours" if minutes < 48 * 60 else f"{minutes / (24 * 60):.0f} days"

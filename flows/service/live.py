"""The live page, from the status, the store and the newest forecasts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from data_catalog.catalog import load_catalog
from flows.service import live_values
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.live_sky import Sight, look_up
from flows.service.status import Status
from nowcast.checkpoint import code_version
from nowcast.report.live import write_live_page
from nowcast.report.live_facts import LiveFacts

NOT_STATED = "not stated"
REPORTS = {"daily": "Verification of the newest day", "weekly": "Verification of the newest week"}


def write_live(configuration: Configuration, status: Status) -> Path:
    """Write the live page; it appears whole or not at all.

    A store without frames or forecasts gives a page that says so, and what cannot be read is
    named among the problems.

    Args:
        configuration: Of the service.
        status: As it was looked at last.
    """
    return write_live_page(Folders(configuration.out).live_page, live_facts(configuration, status))


def live_facts(configuration: Configuration, status: Status) -> LiveFacts:
    """What the live page tells."""
    sight = look_up(configuration, status)
    return LiveFacts(
        **_product(configuration, status),
        **live_values.watched(status),
        made=live_values.plain(status.made),
        cadence_minutes=sight.cadence_minutes,
        stale_minutes=configuration.alerts.stale_minutes,
        problems=tuple(dict.fromkeys((*status.problems, *sight.problems))),
        newest_frame=_newest(status, sight),
        sky=sight.sky,
        network=live_values.network(status, sight.checkpoints),
        links=links(Folders(configuration.out)),
        code_version=code_version(),
    )


def links(folders: Folders) -> dict[str, str]:
    """What to read → address, relative to the live page."""
    found = {}
    for folder, words in REPORTS.items():
        reports = sorted((folders.reports / folder).glob("*/report.html"))
        if reports:
            address = reports[-1].relative_to(folders.out).as_posix()
            found[f"{words}, {reports[-1].parent.name}"] = address
    return {**found, "The same for programs: status.json": folders.status.name}


def _newest(status: Status, sight: Sight) -> datetime | None:
    """Of the frame that is shown, which may be newer than the status."""
    if sight.sky is not None:
        return sight.sky.times[-1]
    return live_values.plain(status.newest_frame) if status.newest_frame else None


def _product(configuration: Configuration, status: Status) -> dict[str, Any]:
    name = status.product or configuration.product
    entry = load_catalog().products.get(name or "")
    title = entry.title if entry else name
    return {
        "title": f"Nowcast: {title}" if title else "Nowcast",
        "provider": entry.provider if entry else "",
        "licence": entry.licence if entry else NOT_STATED,
        "store": status.store,
    }

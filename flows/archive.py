"""The picture of an archive, from the store to the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from data_catalog.catalog import load_catalog
from nowcast.checkpoint import code_version
from nowcast.report.archive import write_archive
from nowcast.report.archive_facts import ArchiveFacts, DayFacts, GapFacts, SlotFacts, Totals
from pipeline.days import Day, days
from pipeline.gaps import known_stretch
from pipeline.layout import STATUSES
from pipeline.places import Address
from pipeline.store import FILLED, Store
from pipeline.summary import StoreSummary, summarise
from pipeline.windows import as_datetime

SHOWN_SLOT_BY_SLOT = timedelta(days=10)
MOST_SLOTS_SHOWN = 3000
GAPS_SHOWN = 10


def write_archive_page(store: Address, out: Path) -> Path:
    """Write a page that shows which frames a store holds.

    Args:
        store: The store.
        out: The page to write.

    Raises:
        FileNotFoundError: If there is no store at the address.
        ValueError: If what is there is no store.
    """
    return write_archive(out, archive_facts(Store.open(store)))


def archive_facts(store: Store) -> ArchiveFacts:
    """What a store holds, as its page tells it."""
    summary = summarise(store)
    entry = load_catalog().products.get(store.product)
    period = None
    if summary.first is not None and summary.last is not None:
        period = (as_datetime(summary.first), as_datetime(summary.last))
    return ArchiveFacts(
        title=f"Archive of {entry.title if entry else store.product}",
        product=store.product,
        provider=entry.provider if entry else "provider not stated",
        licence=store.licence if store.licence != "unknown" else "licence not stated",
        height=summary.height,
        width=summary.width,
        pixel_m=summary.pixel_m,
        cadence_seconds=int(store.cadence / np.timedelta64(1, "s")),
        period=period,
        days=tuple(map(_day_facts, days(store))),
        slots=_slot_facts(store),
        longest_gaps=_longest_gaps(summary, store.cadence),
        size_bytes=summary.size_bytes,
        objects=summary.objects,
        store=store.address,
        made=datetime.now(UTC).replace(tzinfo=None),
        code_version=code_version(),
    )


def _day_facts(day: Day) -> DayFacts:
    return DayFacts(day.date, Totals(day.slots, day.gaps, day.wet_sum, day.wet_frames))


def _slot_facts(store: Store) -> tuple[SlotFacts, ...]:
    stretch = known_stretch(store.status)
    count = stretch.stop - stretch.start
    if count > MOST_SLOTS_SHOWN or count * store.cadence > SHOWN_SLOT_BY_SLOT:
        return ()
    status = store.column("status", stretch)
    wet_share = np.where(np.isin(status, FILLED), store.column("wet_share", stretch), np.nan)
    return tuple(
        SlotFacts(as_datetime(time), STATUSES[code], float(wet))
        for time, code, wet in zip(store.times[stretch], status, wet_share, strict=True)
    )


def _longest_gaps(summary: StoreSummary, cadence: np.timedelta64) -> tuple[GapFacts, ...]:
    longest = sorted(summary.gaps, key=lambda gap: gap[0] - gap[1])[:GAPS_SHOWN]
    return tuple(
        GapFacts(as_datetime(first), as_datetime(last), int((last - first) / cadence) + 1)
        for first, last in longest
    )

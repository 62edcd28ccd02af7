"""Slots as cells of a calendar: one a day, or one a slot where the period is short."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from nowcast.report.archive_facts import FILLED, DayFacts, SlotFacts, Totals
from nowcast.report.wording import percent

MARKED = ("late", "revised", "refused")
NO_FRAME = "x"
PRESENT_EDGES = (0.5, 0.9, 0.99, 1.0)
PRESENT_CLASSES = ("under 50 %", "50 to 90 %", "90 to 99 %", "over 99 %", "all")
WET_EDGES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4)
WET_CLASSES = (
    "under 0.1 %",
    "0.1 to 1 %",
    "1 to 5 %",
    "5 to 10 %",
    "10 to 20 %",
    "20 to 40 %",
    "over 40 %",
)


@dataclass(frozen=True)
class Cell:
    """One square: its place in the row, its class of colour and marks, its words."""

    column: int
    kind: str
    title: str


@dataclass(frozen=True)
class Row:
    """Neighbouring cells; `begins` a new year or the panel."""

    label: str
    cells: tuple[Cell, ...]
    begins: bool = False


@dataclass(frozen=True)
class Panel:
    """Rows of as many columns, some of them named above."""

    heading: str
    columns: int
    ticks: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]


DayCell = Callable[[DayFacts], tuple[str, str]]
SlotCell = Callable[[SlotFacts], tuple[str, str]]


def month_panel(days: Sequence[DayFacts], cell: DayCell) -> Panel:
    """One cell a day, a row a month."""
    rows: list[Row] = []
    for (year, month), held in groupby(days, lambda known: (known.date.year, known.date.month)):
        cells = tuple(Cell(known.date.day, *cell(known)) for known in held)
        begins = month == 1 or not rows
        label = f"{date(year, month, 1):%b %Y}" if begins else f"{date(year, month, 1):%b}"
        rows.append(Row(label, cells, begins))
    ticks = tuple((n, str(n)) for n in (1, 5, 10, 15, 20, 25, 30))
    return Panel("", 31, ticks, tuple(rows))


def day_panels(
    slots: Sequence[SlotFacts], cadence_seconds: int, cell: SlotCell
) -> tuple[Panel, ...]:
    """One cell a slot, a row an hour, a panel a day."""
    columns = math.ceil(3600 / cadence_seconds)
    quarters = [minute for minute in (0, 15, 30, 45) if minute * 60 % cadence_seconds == 0]
    ticks = tuple((minute * 60 // cadence_seconds + 1, f":{minute:02d}") for minute in quarters)
    panels = []
    for date_of, in_day in groupby(slots, lambda slot: slot.time.date()):
        rows: list[Row] = []
        for hour, in_hour in groupby(in_day, lambda slot: slot.time.hour):
            cells = tuple(
                Cell((60 * slot.time.minute + slot.time.second) // cadence_seconds + 1, *cell(slot))
                for slot in in_hour
            )
            rows.append(Row(f"{hour:02d} h", cells, not rows))
        panels.append(Panel(f"{date_of.day} {date_of:%b %Y}", columns, ticks, tuple(rows)))
    return tuple(panels)


def day_present(known: DayFacts) -> tuple[str, str]:
    """A day's colour by the share of its slots with a frame, its marks and its words."""
    totals = known.totals
    marks = [name for name in MARKED if totals.slots.get(name)]
    told = f"{_date(known.date)}: {totals.frames} of {totals.count} slots, {present(totals)}"
    return " ".join([_present_class(totals), *marks]), "; ".join([told, *irregular(totals)])


def day_wet(known: DayFacts) -> tuple[str, str]:
    """A day's colour by its wet share, and its words."""
    share = known.totals.wet_share
    told = "no frame" if math.isnan(share) else f"{percent(share)} wet"
    return wet_class(share), f"{_date(known.date)}: {told}"


def slot_present(slot: SlotFacts) -> tuple[str, str]:
    """A slot's colour by whether there is a frame, its mark and its words."""
    kind = f"p{len(PRESENT_EDGES)}" if slot.status in FILLED else NO_FRAME
    mark = f" {slot.status}" if slot.status in MARKED else ""
    return f"{kind}{mark}", f"{slot.time:%H:%M}: {slot.status}"


def slot_wet(slot: SlotFacts) -> tuple[str, str]:
    """A slot's colour by its wet share, and its words."""
    share = slot.wet_share
    told = "no frame" if slot.status not in FILLED else f"{percent(share)} wet"
    return wet_class(share), f"{slot.time:%H:%M}: {told}"


def wet_class(share: float) -> str:
    """w0 … w6 by WET_EDGES; x where the share is unknown."""
    return NO_FRAME if math.isnan(share) else f"w{bisect_right(WET_EDGES, share)}"


def present(totals: Totals) -> str:
    """The share of slots with a frame; never rounded to 100 % or 0 %."""
    if not totals.count:
        return percent(math.nan)
    share = 100 * totals.frames / totals.count
    if 99 <= share < 100:
        return f"{math.floor(10 * share) / 10:.1f} %"
    return "under 0.1 %" if 0 < share < 0.1 else percent(share / 100)


def irregular(totals: Totals) -> Iterable[str]:
    """How many slots are not simply observed, one part each."""
    for name in (*MARKED, "missing"):
        if count := totals.slots.get(name, 0):
            yield f"{count} {name}"


def _present_class(totals: Totals) -> str:
    if not totals.frames:
        return NO_FRAME
    return f"p{bisect_right(PRESENT_EDGES, totals.frames / totals.count)}"


def _date(of: date) -> str:
    return f"{of:%a} {of.day} {of:%b %Y}"

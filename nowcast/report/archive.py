"""The picture of an archive: one HTML page that shows which frames are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

from nowcast.report import calendars, wording
from nowcast.report.archive_facts import ArchiveFacts, DayFacts, Totals
from nowcast.report.calendars import Panel
from nowcast.report.template import render_page, write_whole

WIDEST_DAY_TABLE = 31
MARKS = {
    "late": "late: came after a newer frame",
    "revised": "revised: replaced by a later file",
    "refused": "refused: a file came that cannot be weather",
}


@dataclass(frozen=True)
class Calendar:
    """A heading, cells, what their colours mean and the same in words."""

    title: str
    note: str
    words: str
    panels: tuple[Panel, ...]
    classes: tuple[tuple[str, str], ...]
    marks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Period:
    """A line of the table of totals."""

    label: str
    days: int
    totals: Totals


def write_archive(path: Path, facts: ArchiveFacts) -> Path:
    """Write the page of an archive; it appears whole or not at all."""
    return write_whole(path, render_archive(facts))


def render_archive(facts: ArchiveFacts) -> str:
    """The page's text."""
    totals = Totals.of(day.totals for day in facts.days)
    periods = total_periods(facts.days)
    return render_page(
        "archive.html",
        filters={"grouped": count, "length_of": length, "present": calendars.present},
        facts=facts,
        totals=totals,
        headline=headline(facts, totals),
        period=wording.span(*facts.period) if facts.period else "no frame yet",
        cadence=cadence(facts.cadence_seconds),
        calendars=make_calendars(facts, totals),
        periods=periods,
        by_day=bool(periods) and periods[0].days == 1 and len(periods) == len(facts.days),
        made=f"{wording.day(facts.made)}, {wording.clock(facts.made)}",
        time=lambda time: f"{wording.day(time)}, {time:%H:%M}",
    )


def headline(facts: ArchiveFacts, totals: Totals) -> str:
    """What is there, in one sentence."""
    if facts.period is None:
        refused = totals.slots.get("refused", 0)
        return "No frame yet." if not refused else f"No frame yet; {count(refused)} refused."
    what = "1 frame" if totals.frames == 1 else f"{count(totals.frames)} frames"
    slots = "1 slot" if totals.count == 1 else f"{count(totals.count)} slots"
    share = (
        "all present" if totals.frames == totals.count else f"{calendars.present(totals)} present"
    )
    files = "1 file" if facts.objects == 1 else f"{count(facts.objects)} files"
    each = amount(facts.size_bytes / totals.frames)
    return f"{what} of {slots}, {share}; {amount(facts.size_bytes)} in {files}, {each} a frame."


def make_calendars(facts: ArchiveFacts, totals: Totals) -> tuple[Calendar, ...]:
    """What is present, and how wet it is; none where nothing is known."""
    if not facts.days:
        return ()
    first, last = facts.days[0].date, facts.days[-1].date
    span = f"{_date(first)}" if first == last else f"{_date(first)} to {_date(last)}"
    unit = "slot" if facts.slots else "day"
    present, wet = _panels(facts)
    told = "; ".join([f"{count(totals.frames)} observed", *calendars.irregular(totals)])
    share = wording.percent(totals.wet_share)
    return (
        Calendar(
            "Slots observed",
            f"One square a {unit}, UTC.",
            f"Calendar of slots, {span}: {_completeness(facts.days)}; of the slots {told}.",
            present,
            _present_key(unit),
            tuple((name, words) for name, words in MARKS.items() if totals.slots.get(name)),
        ),
        Calendar(
            "Wet share",
            f"Share of the observed pixels with rain, mean of each {unit}."
            if unit == "day"
            else "Share of the observed pixels with rain.",
            f"Calendar of the wet share, {span}: {share} in the mean; {_wettest(facts.days)}.",
            wet,
            ((calendars.NO_FRAME, "no frame"), *_named("w", calendars.WET_CLASSES)),
        ),
    )


def total_periods(days: Sequence[DayFacts]) -> tuple[Period, ...]:
    """Totals by day where the days are few, by month where they are many."""
    if len(days) <= WIDEST_DAY_TABLE:
        return tuple(Period(_date(day.date), 1, day.totals) for day in days)
    periods = []
    for _, held in groupby(days, lambda day: (day.date.year, day.date.month)):
        month = list(held)
        totals = Totals.of(day.totals for day in month)
        periods.append(Period(f"{month[0].date:%b %Y}", len(month), totals))
    return tuple(periods)


def count(number: int) -> str:
    """A whole number, by thousands."""
    return f"{number:,}".replace(",", "\u202f")


def amount(size_bytes: float) -> str:
    """A size: "12 kB", "3.4 MB", "1.2 TB"."""
    power = min(int(math.log10(size_bytes) // 3), 5) if size_bytes >= 1 else 0
    scaled = size_bytes / 1000**power
    if scaled >= 999.5 and power < 5:
        power, scaled = power + 1, scaled / 1000
    digits = 1 if power and scaled < 9.95 else 0
    return f"{scaled:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


def length(seconds: int) -> str:
    """How long a gap is: "6 min", "3 h 20 min", "2 d 4 h"."""
    minutes, hours, days = seconds % 3600 // 60, seconds // 3600 % 24, seconds // 86400
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return cadence(seconds)


def cadence(seconds: int) -> str:
    """Time between slots: "5 min", "90 s"."""
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"


def _panels(facts: ArchiveFacts) -> tuple[tuple[Panel, ...], tuple[Panel, ...]]:
    if facts.slots:
        present, wet = (
            calendars.day_panels(facts.slots, facts.cadence_seconds, cell)
            for cell in (calendars.slot_present, calendars.slot_wet)
        )
        return present, wet
    return (
        (calendars.month_panel(facts.days, calendars.day_present),),
        (calendars.month_panel(facts.days, calendars.day_wet),),
    )


def _present_key(unit: str) -> tuple[tuple[str, str], ...]:
    if unit == "slot":
        return ((f"p{len(calendars.PRESENT_EDGES)}", "frame"), (calendars.NO_FRAME, "no frame"))
    return ((calendars.NO_FRAME, "none"), *_named("p", calendars.PRESENT_CLASSES))


def _named(letter: str, classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{letter}{n}", words) for n, words in enumerate(classes))


def _completeness(days: Sequence[DayFacts]) -> str:
    whole = sum(day.totals.frames == day.totals.count for day in days)
    empty = sum(not day.totals.frames for day in days)
    return f"{count(whole)} of {count(len(days))} days complete, {count(empty)} without a frame"


def _wettest(days: Sequence[DayFacts]) -> str:
    known = [day for day in days if day.totals.wet_frames]
    if not known:
        return "unknown on every day"
    wettest = max(known, key=lambda day: day.totals.wet_share)
    return f"most on {_date(wettest.date)}, {wording.percent(wettest.totals.wet_share)}"


def _date(of: date) -> str:
    return f"{of.day} {of:%b %Y}"

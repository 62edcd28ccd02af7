from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from nowcast.report.archive import amount, render_archive, write_archive
from nowcast.report.archive_facts import (
    FILLED,
    ArchiveFacts,
    DayFacts,
    GapFacts,
    SlotFacts,
    Totals,
)
from nowcast.report.calendars import present

VOID = {"meta", "link"}
FIRST_DAY = date(2023, 10, 17)


class Page(HTMLParser):
    """A page's cells, headings, rows and words; refuses tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.cells: list[list[dict[str, str]]] = []
        self.rows: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        self.addresses += [held[name] for name in ("src", "href") if name in held]
        if held.get("role") == "img":
            self.words.append(held["aria-label"])
            self.cells.append([])
        if tag == "i" and "title" in held:
            self.cells[-1].append(held)
        if tag == "tr":
            self.rows.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if {"th", "td"} & set(self.open):
            self.rows[-1] += f"{data} "


def day_facts(n: int, *, wet: float = 0.03, **slots: int) -> DayFacts:
    every = {"missing": 0, "observed": 288 - sum(slots.values()), "late": 0, **slots}
    frames = sum(every.get(name, 0) for name in FILLED)
    return DayFacts(FIRST_DAY + timedelta(n), Totals(every, int(bool(slots)), wet * frames, frames))


def slot_facts(count: int, status: str = "observed", **others: list[int]) -> tuple[SlotFacts, ...]:
    first = datetime(2024, 3, 5, 22, 50)
    known = {slot: name for name, slots in others.items() for slot in slots}
    return tuple(
        SlotFacts(first + timedelta(minutes=5 * n), known.get(n, status), 0.3) for n in range(count)
    )


def archive(days: tuple[DayFacts, ...] = (), slots: tuple[SlotFacts, ...] = ()) -> ArchiveFacts:
    if slots:
        dates = dict.fromkeys(slot.time.date() for slot in slots)
        days = tuple(
            DayFacts(
                of,
                Totals.of(
                    Totals({slot.status: 1}, 0, 0.3, 1) for slot in slots if slot.time.date() == of
                ),
            )
            for of in dates
        )
    with_frames = [day.date for day in days if day.totals.frames]
    ends = (
        [datetime.combine(with_frames[k], datetime.min.time()) for k in (0, -1)]
        if with_frames
        else []
    )
    return ArchiveFacts(
        title="Finland & <its> rain",
        product="fmi",
        provider="Finnish Meteorological Institute",
        licence="CC-BY-4.0",
        height=1226,
        width=760,
        pixel_m=1000.0,
        cadence_seconds=300,
        period=(ends[0], ends[1]) if ends else None,
        days=days,
        slots=slots,
        longest_gaps=(),
        size_bytes=38_400_000,
        objects=13_210,
        store="s3://archive/fmi",
        made=datetime(2026, 11, 21, 12),
        code_version="0.1.0+abc",
    )


def page_of(facts: ArchiveFacts) -> Page:
    return Page(render_archive(facts))


@pytest.fixture(scope="module")
def three_years() -> ArchiveFacts:
    draw = np.random.default_rng(0)
    missing = np.where(draw.random(1096) < 0.3, draw.integers(0, 289, 1096), 0)
    days = [day_facts(n, missing=int(count), wet=n / 3000) for n, count in enumerate(missing)]
    days[20] = day_facts(20, missing=12, late=3, refused=1)
    days[400] = day_facts(400, missing=288)
    gaps = (GapFacts(datetime(2024, 11, 20), datetime(2024, 11, 20, 23, 55), 288),)
    return replace(archive(tuple(days)), longest_gaps=gaps)


def test_page_asks_for_no_address_and_stays_small(three_years: ArchiveFacts) -> None:
    text = render_archive(three_years)
    assert len(text.encode()) < 500_000
    assert Page(text).addresses == ["data:,"]
    assert not re.search(r"url\(|@import|https?://|<script", text)
    assert "default-src 'none'" in text


def test_each_day_has_a_square_in_both_calendars(three_years: ArchiveFacts) -> None:
    observed, wet = page_of(three_years).cells
    assert len(observed) == len(wet) == 1096
    assert observed[0]["style"] == "grid-column:18"
    assert [cell["style"] for cell in observed[1:] if "style" in cell] == []
    assert observed[20]["class"] == "p2 late refused"
    assert observed[20]["title"] == (
        "Mon 6 Nov 2023: 275 of 288 slots, 95 %; 3 late; 1 refused; 12 missing"
    )
    assert observed[400]["class"] == wet[400]["class"] == "x"
    assert wet[400]["title"] == "Wed 20 Nov 2024: no frame"
    assert wet[1000]["class"] == "w5"


def test_page_tells_what_is_there(three_years: ArchiveFacts) -> None:
    page = page_of(three_years)
    totals = Totals.of(day.totals for day in three_years.days)
    told = page.text.replace("\u202f", "")
    for fact in (
        *("Finland & <its> rain", "fmi", "Finnish Meteorological Institute", "CC-BY-4.0"),
        *("1226 × 760 pixels of 1000 m", "every 5 min", "17 Oct 2023, 00:00 to 16 Oct 2026"),
        f"{totals.frames} frames of {1096 * 288} slots, {present(totals)} present; "
        f"38 MB in 13210 files, {amount(38_400_000 / totals.frames)} a frame.",
        *("s3://archive/fmi", "0.1.0+abc", "21 Nov 2026, 12:00 UTC"),
        f"the longest 1 of {totals.gaps}",
    ):
        assert fact in told
    assert "20 Nov 2024, 00:00 20 Nov 2024, 23:55 288 1 d " in page.rows


def test_months_add_to_the_whole(three_years: ArchiveFacts) -> None:
    rows = [row.replace("\u202f", "") for row in page_of(three_years).rows]
    months = [row for row in rows if re.match(r"[A-Z][a-z]{2} 20", row)]
    assert len(months) == 37
    frames = [int(row.split()[3]) for row in months]
    whole = next(row for row in rows if row.startswith("All ")).split()
    assert whole[1] == "1096"
    assert sum(frames) == int(whole[2]) > 0


def test_calendars_have_words_that_tell_the_same(three_years: ArchiveFacts) -> None:
    observed, wet = page_of(three_years).words
    whole = sum(day.totals.frames == 288 for day in three_years.days)
    assert f"17 Oct 2023 to 16 Oct 2026: {whole} of" in observed
    assert "days complete" in observed
    assert "3 late; 1 refused" in observed
    assert "most on " in wet


def test_a_short_archive_shows_each_slot() -> None:
    page = page_of(archive(slots=slot_facts(25, late=[2], refused=[3], missing=[20])))
    observed, wet = page.cells
    assert len(observed) == len(wet) == 25
    assert observed[0] == {"class": "p4", "title": "22:50: observed", "style": "grid-column:12"}
    assert [observed[n]["class"] for n in (2, 3, 20)] == ["p4 late", "x refused", "x"]
    assert wet[0]["title"] == "22:50: 30 % wet"
    for words in ("5 Mar 2024", "6 Mar 2024", "22 h", "00 h", "Totals by day"):
        assert words in page.text
    assert "revised" not in page.text


@pytest.mark.parametrize("seconds", [30, 60, 360, 420, 600, 3600, 10_800])
def test_slots_of_any_cadence_keep_their_own_squares(seconds: int) -> None:
    start = datetime(2024, 3, 5, 1, 0)
    slots = tuple(
        SlotFacts(start + timedelta(seconds=seconds * n), "observed", 0.1) for n in range(60)
    )
    facts = replace(archive(slots=slots), cadence_seconds=seconds)
    observed, _ = page_of(facts).cells
    assert len(observed) == 60
    columns = int(re.search(r"--n:(\d+)", render_archive(facts))[1])  # type: ignore[index]
    assert all(int(cell.get("style", ":1").split(":")[1]) - 1 <= columns for cell in observed)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param(archive(), "No frame yet.", id="empty"),
        pytest.param(
            archive(slots=slot_facts(1)), "1 frame of 1 slot, all present", id="one frame"
        ),
        pytest.param(
            archive(slots=slot_facts(3, "refused")), "No frame yet; 3 refused.", id="refused"
        ),
        pytest.param(archive((day_facts(0, missing=288),)), "No frame yet.", id="all missing"),
        pytest.param(archive(tuple(map(day_facts, range(40)))), "slots, all present", id="whole"),
    ],
)
def test_any_archive_makes_a_page(facts: ArchiveFacts, told: str) -> None:
    page = page_of(facts)
    assert told in page.text
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)
    assert len(page.cells) == (2 if facts.days else 0)


def test_page_appears_whole(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "new" / "archive.html", archive())
    assert path.read_text(encoding="utf-8") == render_archive(archive())
    assert list(path.parent.iterdir()) == [path]

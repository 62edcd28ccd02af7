from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

from flows.archive import archive_facts, write_archive_page
from nowcast.report.archive_facts import Totals
from pipeline.frames import Grid
from pipeline.layout import STATUSES, publish
from pipeline.reflectivity import ZR
from pipeline.store import Store
from pipeline.summary import summarise


def test_facts_are_those_of_the_store(storm_store: Path) -> None:
    store = Store.open(storm_store)
    facts, summary = archive_facts(store), summarise(store)
    assert len(facts.slots) == 34
    assert [slot.status for slot in facts.slots] == [
        "missing" if n == 9 else "observed" for n in range(34)
    ]
    totals = Totals.of(day.totals for day in facts.days)
    assert (totals.frames, totals.gaps) == (33, 1) == (summary.frames, len(summary.gaps))
    assert totals.wet_share == pytest.approx(summary.wet_share)
    (gap,) = facts.longest_gaps
    assert gap.slots == 1
    assert gap.first == gap.last == facts.slots[9].time
    assert facts.period == (facts.slots[0].time, facts.slots[-1].time)
    assert facts.size_bytes == store.size_bytes() > 0


def test_page_of_a_store_shows_each_slot(storm_store: Path, tmp_path: Path) -> None:
    page = write_archive_page(storm_store, tmp_path / "new" / "archive.html")
    assert page == tmp_path / "new" / "archive.html"
    text = page.read_text(encoding="utf-8")
    assert "33 frames of 34 slots, 97 % present" in text
    assert text.count(': observed"') == 33
    assert text.count(': missing"') == 1
    assert text.count(': no frame"') == 1


def test_an_empty_store_has_a_page(small_grid: Grid, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    cadence = np.timedelta64(5, "m")
    Store.create(store, small_grid, ZR(200, 1.6), product="mine", cadence=cadence)
    text = write_archive_page(store, tmp_path / "archive.html").read_text(encoding="utf-8")
    assert "No frame yet." in text
    assert "Archive of mine" in text
    assert "licence not stated" in text


def test_no_store_has_no_page(tmp_path: Path) -> None:
    out = tmp_path / "archive.html"
    with pytest.raises(FileNotFoundError, match="no store here"):
        write_archive_page(tmp_path / "s.zarr", out)
    assert not out.exists()


def test_a_long_store_is_shown_day_by_day(small_grid: Grid, tmp_path: Path) -> None:
    path, slots = tmp_path / "s.zarr", 40 * 288
    cadence = np.timedelta64(5, "m")
    Store.create(path, small_grid, ZR(200, 1.6), product="mine", cadence=cadence)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    for name in ("time", "status", "wet_share", "observed_share"):
        group[name].resize((slots,))
    group["time"][:] = 1_600_000_000 - 1_600_000_000 % 7200 + 300 * np.arange(slots)
    status = np.full(slots, STATUSES.index("observed"))
    status[:12] = 0
    status[600:1200] = status[2000:2003] = 0
    group["status"][:] = status
    publish(LocalStore(path))
    facts = archive_facts(Store.open(path))
    assert facts.slots == ()
    assert len(facts.days) == 41
    assert [gap.slots for gap in facts.longest_gaps] == [600, 3]
    assert facts.period is not None
    assert facts.period[0] == datetime(2020, 9, 13, 13)
    assert sum(day.totals.count for day in facts.days) == slots - 12

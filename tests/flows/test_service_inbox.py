from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows.service.inbox import Inbox
from pipeline.ingest_report import IngestReport


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    (tmp_path / "incoming" / "day").mkdir(parents=True)
    return Inbox(tmp_path / "incoming", tmp_path / "inbox.sqlite")


def settle(inbox: Inbox, report: IngestReport | None = None) -> None:
    inbox.settle(inbox.arrivals(), report or IngestReport("store"), "seen", "stored")


def test_a_file_is_taken_once(inbox: Inbox) -> None:
    file = inbox.folder / "day" / "a.h5"
    file.write_text("rain")
    assert list(inbox.arrivals()) == [file]
    settle(inbox)
    assert inbox.arrivals() == {}


def test_a_file_that_was_written_anew_is_taken_again(inbox: Inbox) -> None:
    file = inbox.folder / "a.h5"
    file.write_text("rain")
    settle(inbox)
    file.write_text("more rain")
    assert list(inbox.arrivals()) == [file]


def test_a_file_that_changed_while_it_was_taken_is_taken_again(inbox: Inbox) -> None:
    file = inbox.folder / "a.h5"
    file.write_text("half")
    taken = inbox.arrivals()
    file.write_text("the whole of it")
    inbox.settle(taken, IngestReport("store"), "seen", "stored")
    assert list(inbox.arrivals()) == [file]


def test_a_copy_that_keeps_an_old_time_has_arrived_now(inbox: Inbox) -> None:
    file = inbox.folder / "a.h5"
    file.write_text("rain")
    os.utime(file, (0, 0))
    settle(inbox)
    taken = inbox.taken("a.h5")
    assert taken is not None
    assert taken.arrived > 1e18


def test_what_is_still_being_written_waits(inbox: Inbox) -> None:
    for name in (".a.h5", "b.h5.part", "c.tmp"):
        (inbox.folder / name).write_text("half")
    (inbox.folder / "archive.zarr").mkdir()
    (inbox.folder / "archive.zarr" / "zarr.json").write_text("{}")
    assert inbox.arrivals() == {}


def test_a_refused_file_is_remembered_with_its_reason(inbox: Inbox) -> None:
    file = inbox.folder / "a.h5"
    file.write_text("no radar")
    report = IngestReport("store")
    report.refuse(file, "expected HDF5")
    settle(inbox, report)
    assert inbox.arrivals() == {}
    assert inbox.refused() == {file: "expected HDF5"}


def test_an_absent_inbox_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no inbox here"):
        Inbox(tmp_path / "absent", tmp_path / "inbox.sqlite").arrivals()

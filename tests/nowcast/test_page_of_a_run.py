"""The page that a verification of real radar frames writes, in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from headless import CHROMIUM, Browser, chromium

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]

PERIOD = ("--from", "2018-06-16T11:00", "--to", "2018-06-16T13:00")
SHOWN = "[...document.querySelectorAll('.case')].map(c => c.offsetHeight > 0)"
STAGED = "[...document.querySelectorAll('#stage img')].map(i => i.src)"


def nowcast(*words: str | Path) -> None:
    script = "from flows.cli import main; main()"
    subprocess.run([sys.executable, "-c", script, *map(str, words)], check=True)


@pytest.fixture(scope="module")
def page(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    frames = data_dir / "radar" / "bom_netcdf" / "melbourne_20180616"
    nowcast("ingest", frames, "--store", out / "melbourne.zarr")
    scored = ("--with", "extrapolation", "--all-scores", *PERIOD)
    nowcast("verify", out / "melbourne.zarr", *scored, "--workers", "1", "--out", out)
    return out / "report.html"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser, page: Path) -> Browser:
    started.requests.clear()
    started.complaints.clear()
    started.resize(1280, 900)
    started.prefer("light")
    started.open(page)
    return started


def test_page_is_small_enough_to_send(page: Path) -> None:
    assert 100_000 < page.stat().st_size < 15_000_000


def test_page_of_a_run_is_used_without_a_request_or_a_complaint(
    browser: Browser, page: Path
) -> None:
    slide = """(step => {
        const slider = document.getElementById("step");
        slider.value = step;
        slider.dispatchEvent(new Event("input"));
        return document.getElementById("now").textContent;
    })"""
    assert browser.run(f"{slide}(0)") == "−12 min · 11:48 UTC · observed"
    first = browser.run(STAGED)
    last = int(browser.run("document.getElementById('step').max"))
    assert browser.run(f"{slide}({last})").startswith("+60 min")
    after = browser.run(STAGED)
    assert len(set(after)) == 3
    assert set(after).isdisjoint(first)
    assert browser.run(SHOWN) == [True, False, False]
    browser.run("document.querySelector('#player [data-case=\"2\"]').click()")
    assert browser.run(SHOWN) == [False, False, True]
    assert set(browser.run(STAGED)).isdisjoint(after)
    browser.run("document.getElementById('play').click()")
    browser.run("document.getElementById('play').click()")
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert browser.complaints == []


@pytest.mark.parametrize("width", [320, 390])
def test_page_of_a_run_fits_a_phone(browser: Browser, width: int) -> None:
    browser.resize(width, 700)
    sides = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    inside, shown = browser.run(sides)
    assert inside <= shown <= width


def test_page_of_a_run_prints_whole_and_not_at_length(browser: Browser) -> None:
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 5 < sheets < 25

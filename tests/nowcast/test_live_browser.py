from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from headless import CHROMIUM, Browser, chromium
from live_samples import make_live, with_fallback

from nowcast.report.live import write_live_page
from nowcast.report.live_facts import LiveFacts

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def fresh(**changes: object) -> LiveFacts:
    """A page as it is when it was just made."""
    now = datetime.now(UTC).replace(tzinfo=None)
    age = {"made": now, "newest_frame": now - timedelta(minutes=5)}
    return make_live(**{**age, **changes})


def opened(browser: Browser, path: Path, facts: LiveFacts) -> Browser:
    browser.requests.clear()
    browser.complaints.clear()
    browser.resize(1280, 900)
    browser.prefer("light")
    browser.open(write_live_page(path / "latest.html", facts))
    return browser


def slide(browser: Browser, step: int) -> str:
    told: str = browser.run(
        f"""(() => {{
            const slider = document.getElementById("step");
            slider.value = {step};
            slider.dispatchEvent(new Event("input"));
            return document.getElementById("now").textContent;
        }})()"""
    )
    return told


MAP = "document.querySelector('#stage img').src"


def test_live_page_asks_for_nothing_and_does_not_complain(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, with_fallback("Its file is gone."))
    for step in range(21):
        slide(browser, step)
    browser.run("document.querySelector('[data-forecaster=persistence]').click()")
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [(tmp_path / "latest.html").as_uri()]
    assert browser.complaints == []


def test_slider_goes_from_the_last_hour_to_the_next(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, make_live())
    assert browser.run("document.getElementById('step').value") == "10"
    assert slide(browser, 0) == "22:30 UTC · −60 min · observed"
    assert slide(browser, 10) == "23:30 UTC · newest frame · observed"
    seen = browser.run(MAP)
    assert slide(browser, 20) == "00:30 UTC, 17 Jun 2018 · +60 min · forecast"
    assert browser.run(MAP) != seen
    assert browser.run("document.querySelector('#stage img').alt") == (
        "Forecast of U-Net demo at 00:30 UTC: 40 % of it with 0.1 mm/h or more, "
        "the heaviest 5.6 mm/h"
    )


def test_tabs_change_the_forecaster_and_outlive_a_reload(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, with_fallback("Its file is gone."))
    hidden = "document.querySelector('.fallback').hidden"
    assert browser.run(hidden) is False
    told = slide(browser, 15)
    network = browser.run(MAP)
    browser.run("document.querySelector('[data-forecaster=persistence]').click()")
    assert browser.run("document.getElementById('now').textContent") == told
    assert browser.run(MAP) != network
    assert browser.run(hidden) is True
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.dataset.forecaster)"
    assert browser.run(pressed) == ["persistence"]
    browser.loaded = False
    browser.send("Page.reload")
    until = time.monotonic() + 10
    while not browser.loaded and time.monotonic() < until:
        browser.run("0")
    assert browser.run(pressed) == ["persistence"]


def test_play_goes_on_and_stops(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, make_live())
    browser.run("document.getElementById('play').click()")
    later = """new Promise((done) => {
        const seen = new Set();
        const look = setInterval(() => {
            seen.add(Number(document.getElementById("step").value));
            if (seen.size > 2) { clearInterval(look); done([...seen]); }
        }, 20);
    })"""
    seen = browser.run(later)
    assert seen == sorted(seen)
    assert seen[0] >= 11
    browser.run("document.getElementById('play').click()")
    assert browser.run("document.getElementById('play').ariaLabel") == "Play"


@pytest.mark.parametrize(
    ("ages", "told"),
    [
        ((1, 5), ""),
        ((1, 50), "The newest frame is old: the radar saw this 50 min ago."),
        ((300, 305), "This page is old: it was made 5 h ago. What it shows is past."),
    ],
)
def test_old_page_says_that_it_is_old(
    started: Browser, tmp_path: Path, ages: tuple[int, int], told: str
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    made, newest = (now - timedelta(minutes=age) for age in ages)
    browser = opened(started, tmp_path, make_live(made=made, newest_frame=newest))
    assert browser.run("document.getElementById('old').innerText.trim()") == told
    stale = "document.querySelector('.verdict').classList.contains('stale')"
    assert browser.run(stale) is bool(told)
    age = f"{ages[1]} min" if ages[1] < 120 else "5 h"
    assert browser.run("document.querySelector('.verdict .age').textContent") == f", {age} ago"


def test_age_is_not_told_twice(started: Browser, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    old = fresh(newest_frame=now - timedelta(minutes=50), problems=("The newest frame is old.",))
    browser = opened(started, tmp_path, old)
    assert browser.run("document.getElementById('old').hidden") is True
    assert browser.run("document.querySelector('.verdict').classList.contains('stale')") is True


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_live_page_does_not_scroll_sideways(started: Browser, tmp_path: Path, width: int) -> None:
    browser = opened(started, tmp_path, fresh(problems=("x" * 300,)))
    browser.resize(width, 800)
    inside, shown = browser.run(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inside <= shown <= width


def test_live_page_prints_stills_and_no_player(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, fresh())
    height = "document.getElementById({!r}).offsetHeight"
    assert browser.run(height.format("stills")) == 0
    browser.send("Emulation.setEmulatedMedia", media="print")
    printed = [browser.run(height.format(part)) for part in ("stills", "play", "renew")]
    browser.send("Emulation.setEmulatedMedia", media="")
    assert printed[0] > 100
    assert printed[1:] == [0, 0]


def test_choice_of_colours_repaints_the_live_map(started: Browser, tmp_path: Path) -> None:
    browser = opened(started, tmp_path, make_live())
    before = browser.run(MAP)
    choose_colours = """(() => {{
        const select = document.querySelector(".palette select");
        select.value = {!r};
        select.dispatchEvent(new Event("change"));
    }})()"""
    browser.run(choose_colours.format("classic"))
    assert browser.run(MAP) != before
    browser.run(choose_colours.format("sound"))
    assert browser.run(MAP) == before

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless import CHROMIUM, Browser, chromium
from report_samples import cases_of, make_facts, make_inputs

from nowcast.report import write_report
from nowcast.verification.parts import PARTS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

NAMES = ("persistence", "extrapolation", "unet", "steps")
LEADS = (6, 12, 18, 24, 30, 36, 42, 48, 54, 60)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scores, case = make_inputs(
        NAMES, LEADS, (40, 52), 10, step_minutes=20, members=4, parts=tuple(PARTS)
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(path, scores, cases_of(case), make_facts())


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


def click(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({selector!r}).click()")


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


def staged(browser: Browser) -> list[str]:
    pictures: list[str] = browser.run(
        "[...document.querySelectorAll('#stage img')].map(i => i.src)"
    )
    return pictures


def test_page_asks_for_nothing_and_does_not_complain(browser: Browser, page: Path) -> None:
    slide(browser, 5)
    click(browser, "[data-case='1']")
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert browser.complaints == []


def test_every_picture_of_the_page_can_be_seen(browser: Browser) -> None:
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.alt)"
    assert browser.run("document.images.length") > 60
    assert (
        browser.run(f"Promise.all([...document.images].map(i => i.decode())).then(() => {broken})")
        == []
    )


def test_slider_moves_all_maps_in_step(browser: Browser) -> None:
    assert slide(browser, 0) == "issue time · 23:30 UTC · observed"
    before = staged(browser)
    assert len(set(before)) == 1
    assert slide(browser, 10) == "+60 min · 00:30 UTC, 17 Jun 2018 · forecast"
    after = staged(browser)
    assert len(set(after)) == 5
    panel = "[...document.querySelectorAll('.case.shown .maps:last-of-type img')].map(i => i.src)"
    assert browser.run(panel) == after
    notes = browser.run("[...document.querySelectorAll('#stage .note')].map(n => n.textContent)")
    assert notes == ["+60 min"] * 5


def test_play_runs_to_the_next_step_and_stops(browser: Browser) -> None:
    slide(browser, 3)
    click(browser, "#play")
    assert browser.run("document.getElementById('step').value") == "4"
    assert browser.run("document.getElementById('play').ariaLabel") == "Pause"
    later = (
        "new Promise(done => setTimeout(() => done(document.getElementById('step').value), 700))"
    )
    assert int(browser.run(later)) > 4
    click(browser, "#play")
    assert browser.run("document.getElementById('play').ariaLabel") == "Play"


def test_case_browser_shows_one_case_and_plays_it(browser: Browser) -> None:
    slide(browser, 9)
    first = staged(browser)
    shown = "[...document.querySelectorAll('.case')].map(c => c.offsetHeight > 0)"
    assert browser.run(shown) == [True, False, False]
    click(browser, "#player [data-case='1']")
    assert browser.run(shown) == [False, True, False]
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.dataset.case)"
    assert browser.run(pressed) == ["1", "1"]
    assert browser.run("document.getElementById('step').value") == "9"
    assert set(staged(browser)).isdisjoint(first)
    click(browser, "#panel [data-case='2']")
    assert browser.run("document.getElementById('step').max") == "6"
    assert browser.run("document.getElementById('now').textContent").startswith(
        "+6 min · 01:36 UTC"
    )


def test_choice_of_colours_repaints_every_map(browser: Browser) -> None:
    before = browser.run("[...document.querySelectorAll('img[data-field]')].map(i => i.src)")
    choose = """(() => {{
        const select = document.querySelector(".palette select");
        select.value = {name!r};
        select.dispatchEvent(new Event("change"));
        return [...document.querySelectorAll("img[data-field]")].map(i => i.src);
    }})()"""
    after = browser.run(choose.format(name="classic"))
    assert len(after) == len(before)
    assert all(a != b for a, b in zip(after, before, strict=True))
    again: list[Any] = browser.run(choose.format(name="sound"))
    assert again == before


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_scrolls_sideways(browser: Browser, width: int) -> None:
    browser.resize(width, 800)
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    inside, shown = browser.run(wide)
    assert inside <= shown <= width


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_page_is_light_or_dark_as_wished(browser: Browser, scheme: str, dark: bool) -> None:
    browser.prefer(scheme)
    colours = browser.run(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
        ".map(c => c.match(/\\d+/g).slice(0, 3).map(Number))"
    )
    paper, ink = (sum(colour) for colour in colours)
    assert (paper < ink) is dark
    assert abs(paper - ink) > 500


def test_page_prints(browser: Browser) -> None:
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000
    browser.send("Emulation.setEmulatedMedia", media="print")
    shown = browser.run("[...document.querySelectorAll('.case')].map(c => c.offsetHeight > 0)")
    hidden = browser.run("document.getElementById('player').offsetHeight")
    browser.send("Emulation.setEmulatedMedia", media="")
    assert shown == [True, True, True]
    assert hidden == 0


def test_print_is_dark_on_white_whatever_the_screen_prefers(browser: Browser) -> None:
    colours = (
        "[...new Set([getComputedStyle(document.body).backgroundColor,"
        "getComputedStyle(document.body).color,"
        "getComputedStyle(document.querySelector('.verdict')).borderLeftColor])]"
    )
    printed = []
    for scheme in ("light", "dark"):
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.send("Emulation.setEmulatedMedia", media="print", features=wish)
        printed.append(browser.run(colours))
    browser.send("Emulation.setEmulatedMedia", media="")
    assert printed[0] == printed[1]
    assert printed[0][:2] == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]

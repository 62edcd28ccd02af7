from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from class_samples import make_facts, make_run
from headless import CHROMIUM, Browser, chromium

from nowcast.report.classes.page import write_class_comparison, write_class_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("class-pages")
    costs = {"parameters": 360_714, "multiply_adds": 5_000_000, "seconds_training": 240.0}
    runs = [make_run(f"network-{n}", seed=n, title=f"Network {n}", **costs) for n in range(4)]
    facts = make_facts(*runs)
    return {
        "report": write_class_report(folder / "report.html", facts),
        "compare": write_class_comparison(folder / "compare.html", facts),
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(params=["report", "compare"])
def opened(browser: Browser, pages: dict[str, Path], request: pytest.FixtureRequest) -> Path:
    browser.requests.clear()
    browser.complaints.clear()
    browser.resize(1280, 900)
    browser.prefer("light")
    browser.open(pages[request.param])
    return pages[request.param]


def test_page_asks_for_nothing_and_does_not_complain(browser: Browser, opened: Path) -> None:
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [opened.as_uri()]
    assert browser.complaints == []


def test_every_picture_of_the_page_can_be_seen(browser: Browser, opened: Path) -> None:
    broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)"
    assert (browser.run("document.images.length") > 40) == (opened.name == "report.html")
    assert browser.run(broken) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_scrolls_sideways(browser: Browser, opened: Path, width: int) -> None:
    browser.resize(width, 800)
    inside, shown = browser.run(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inside <= shown <= width


def test_matrix_shows_images_or_shares_as_chosen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["report"])
    cell = "document.querySelector('.confusion td.right').innerText.trim()"
    count = browser.run(cell)
    browser.run("document.getElementById('shares').click()")
    share = browser.run(cell)
    assert count.isdigit()
    assert "." in share
    assert 0 < float(share) <= 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_of_the_matrix_stand_out_from_their_colour(
    browser: Browser, pages: dict[str, Path], scheme: str
) -> None:
    browser.prefer(scheme)
    browser.open(pages["report"])
    ratios = browser.run(
        """(() => {
            const canvas = document.createElement("canvas").getContext("2d");
            const light = colour => {
                canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
                    .map(v => v / 255)
                    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                return .2126 * parts[0] + .7152 * parts[1] + .0722 * parts[2];
            };
            return [...document.querySelectorAll(".confusion tbody td")].map(cell => {
                const style = getComputedStyle(cell);
                const pair = [light(style.color), light(style.backgroundColor)];
                return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
            });
        })()"""
    )
    assert len(ratios) == 49
    assert min(ratios) >= 4.5


def test_page_prints(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["report"])
    assert len(browser.pdf()) > 20_000

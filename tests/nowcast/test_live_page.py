from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_samples import MARSHALL_PALMER, SIX, make_live, make_sky, movie_of, with_fallback
from report_samples import Page

from nowcast.report.live import choose, render_live, write_live_page
from nowcast.report.live_rain import headline
from pipeline.batch import NO_ECHO


def test_page_needs_nothing_but_itself_and_its_neighbours() -> None:
    page = Page(render_live(make_live()))
    assert page.open == []
    outside = [at for at in page.addresses if not at.startswith(("data:", "#"))]
    assert outside == ["status.json", "reports/daily/2018-06-15/report.html"]
    assert len(page.pictures) == 5
    assert all(picture["alt"] for picture in page.pictures)


def test_page_is_written_whole_in_place_of_the_last_one(tmp_path: Path) -> None:
    path = write_live_page(tmp_path / "out" / "latest.html", make_live())
    write_live_page(path, make_live(title="Another"))
    assert "<title>Another</title>" in path.read_text()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ((0.2, 0.4), "Rain is spreading: 20 % of the map is wet at 23:30 UTC"),
        ((0.4, 0.2), "Rain is receding: 40 % of the map is wet at 23:30 UTC"),
        ((0.4, 0.4), "Rain stays about as wide: 40 % of the map is wet at 23:30 UTC"),
        ((0.0, 0.0), "Dry at 23:30 UTC, and Extrapolation forecasts no rain until 00:30 UTC."),
    ],
)
def test_headline_says_what_is_going_to_happen(shares: tuple[float, float], words: str) -> None:
    sky = make_sky(shares)
    told = headline(sky, sky.forecasts[1], "Extrapolation").replace("\u00a0", " ")
    assert told.startswith(words)
    assert " now" not in told


def test_headline_tells_shares_and_the_heaviest_rain() -> None:
    sky = make_sky()
    told = headline(sky, sky.forecasts[1], "S-PROG").replace("\u00a0", " ").replace("\u2011", "-")
    assert "by S-PROG 32 % at 00:00 and 40 % at 00:30" in told
    heaviest, forecast = (float(MARSHALL_PALMER.rain_rate(np.float64(dbz))) for dbz in (30, 30))
    assert f"heaviest rain is {heaviest:.2g} mm/h, in the forecast {forecast:.2g} mm/h." in told


def test_headline_compares_shares_on_the_pixels_that_all_maps_know() -> None:
    sky = make_sky((0.2, 0.2))
    forecast = sky.forecasts[1]
    dbz = forecast.dbz.copy()
    dbz[-1, :, :15] = np.nan
    told = headline(sky, replace(forecast, dbz=dbz), "Extrapolation").replace("\u00a0", " ")
    assert told.startswith("Hardly any rain: 0 % of the map is wet")
    assert told.endswith("Shares are of the 40 % of the map that all of these maps know.")


def test_headline_of_a_short_shower_is_not_dry() -> None:
    sky = make_sky((0.0, 0.0))
    forecast = sky.forecasts[1]
    dbz = forecast.dbz.copy()
    dbz[1, 3, 3] = 45.0
    assert headline(sky, replace(forecast, dbz=dbz), "Extrapolation").startswith("Hardly any rain")


def test_page_without_a_forecast_says_so() -> None:
    page = render_live(make_live(sky=make_sky(forecasts=()), network=None, skill=None))
    text = Page(page).text.replace("\u00a0", " ")
    assert "At 23:30 UTC 20 % of the map is wet, the heaviest rain 2.7 mm/h; there is no" in text
    assert "There is no forecast beyond the newest frame yet." in text
    assert "No forecast of the last day could be scored yet" in text
    assert movie_of(page)["future"] == {}


def test_page_without_a_frame_says_so() -> None:
    facts = make_live(sky=None, newest_frame=None, cadence_minutes=None, problems=("no store",))
    page = Page(render_live(facts))
    assert "There is no frame to show." in page.text
    assert "1 problem" in page.text
    assert page.pictures == []


def test_forecasts_of_times_that_were_observed_since_are_left_out() -> None:
    sky = make_sky()
    late = tuple(
        replace(made, valid_times=tuple(valid - 4 * SIX for valid in made.valid_times))
        for made in sky.forecasts
    )
    movie = movie_of(render_live(make_live(sky=replace(sky, forecasts=late))))
    assert [step["minutes"] for step in movie["past"]] == list(range(-60, 1, 6))
    assert [step["minutes"] for step in movie["future"]["unet-demo"]] == list(range(6, 37, 6))


def test_slot_without_a_frame_is_told_apart_from_a_dry_one() -> None:
    sky = make_sky()
    observed = sky.observed.copy()
    observed[4] = np.nan
    filled = tuple(n != 4 for n in range(11))
    facts = make_live(sky=replace(sky, observed=observed, filled=filled))
    movie = movie_of(render_live(facts))
    assert movie["past"][4]["told"] == "Observed at 22:54 UTC: no frame"
    assert [step["filled"] for step in movie["past"]].count(False) == 1


def test_each_map_is_held_once() -> None:
    page = render_live(make_live())
    movie = movie_of(page)
    assert len({step["picture"] for step in movie["past"]}) == 1
    held = re.search(r'id="pictures">(.*?)</script>', page)
    assert held
    pictures = json.loads(held[1])
    assert len(pictures) == len(set(pictures))
    places = {step["picture"] for maps in movie["future"].values() for step in maps}
    assert max(places) < len(pictures)


def test_fallback_stands_beside_the_forecaster_and_in_the_headline() -> None:
    text = Page(render_live(with_fallback("its file is gone & lost."))).text
    assert "U-Net demo could not be used; extrapolation stands in. its file is gone" in text
    assert "replaced by extrapolation" in text
    assert "by extrapolation in place of U\u2011Net demo" in text


def test_problems_stand_before_the_headline() -> None:
    text = Page(render_live(make_live(problems=("The disk is full.", "No frame came.")))).text
    assert text.index("2 problems") < text.index("The disk is full.") < text.index("Rain is")


def test_cards_tell_what_the_status_knows() -> None:
    text = " ".join(Page(render_live(make_live())).text.split())
    for told in (
        "238 of 240",
        "16 Jun 2018, 12:00 to 12:06 UTC",
        "Median of 38 cycles of the last day; of twenty, one took 4.1 s or more",
        "31 issue times whose hour is over, pooled.",
        "U-Net demo +0.036 against extrapolation",
        "Checkpoint 9f2c1e77ab034d1e",
        "212 GB free",
        "the newest frame is 25 minutes old",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("names", "network", "first"),
    [
        (["unet", "extrapolation"], "unet", "unet"),
        (["persistence", "extrapolation"], "unet", "extrapolation"),
        (["persistence"], None, "persistence"),
        ([], None, None),
    ],
)
def test_network_in_service_is_shown_first_else_extrapolation(
    names: list[str], network: str | None, first: str | None
) -> None:
    assert choose(names, network) == first


def test_wide_maps_are_thinned(tmp_path: Path) -> None:
    sky = make_sky(forecasts=())
    wide = np.full((11, 300, 1300), NO_ECHO, np.float32)
    facts = make_live(sky=replace(sky, observed=wide, x=np.arange(1300.0), y=-np.arange(300.0)))
    picture = Page(render_live(facts)).pictures[-1]["src"]
    assert picture
    header = np.frombuffer(base64.b64decode(picture.split(",")[1])[16:24], ">u4")
    assert header.tolist() == [433, 100]

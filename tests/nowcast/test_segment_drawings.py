from __future__ import annotations

import base64
import dataclasses
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from segment_samples import CLASSES, SIDE, make_facts

from nowcast.evaluation import Fate
from nowcast.report.segment.colours import (
    FALSE,
    FATES,
    FOUND,
    HIT,
    MISSED,
    OTHER,
    OUTCOMES,
    TRUE,
    draw_fates,
    draw_outcomes,
)
from nowcast.report.segment.facts import SegmentFacts
from nowcast.report.segment.page import render_segment
from nowcast.report.segment.pictures import SIDES, show_pictures
from nowcast.report.segment.raster import (
    canvas_size,
    dashed,
    edges,
    of_colour,
    painted,
    resized,
    spread,
)


@pytest.fixture(scope="module")
def facts() -> dict[str, SegmentFacts]:
    return {kind: make_facts(kind) for kind in CLASSES}


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_pictures_come_worst_first_each_with_words(facts: dict[str, SegmentFacts]) -> None:
    for kind, held in facts.items():
        shown = show_pictures(held)
        scores = {one.name: one.score for one in held.pictures}
        assert [one.name for one in shown] == sorted(scores, key=scores.__getitem__)
        for one in shown:
            assert len(one.tiles) == (6 if kind == "vessels" else 5)
            assert all(one.name in tile.alt for tile in one.tiles)
            for tile in one.tiles:
                assert opened(tile.address).size == (one.width, one.height)
    errors = show_pictures(facts["objects"])[0].tiles[4].alt
    assert re.search(
        r"\d+ right, \d+ inexact, \d+ missed, \d+ false, \d+ merged, \d+ split", errors
    )


def test_errors_are_told_apart_without_hue() -> None:
    ground = np.full((20, 20, 3), 60, np.uint8)
    drawn = {}
    for fate in FATES:
        colours = draw_fates(ground, np.full((20, 20), int(fate)))
        drawn[fate] = np.asarray(Image.fromarray(colours).convert("L")).astype(int)
    for first in drawn:
        for second in drawn:
            if first != second:
                apart = np.abs(drawn[first] - drawn[second])
                assert apart.mean() > 12, (first, second)
    assert np.array_equal(draw_fates(ground, np.zeros((20, 20), int)), ground)
    dots = draw_fates(ground, np.full((20, 20), int(Fate.MISSED)))
    assert (dots == of_colour(FATES[Fate.MISSED].colour)).all(-1).mean() == pytest.approx(0.5)


def test_each_pixel_has_its_outcome() -> None:
    truth = np.array([[0, 1, 1, 0, 2, -1]])
    found = np.array([[0, 1, 0, 1, 1, 1]])
    counted = np.ones((1, 6), bool)
    drawn = draw_outcomes(truth, found, counted)[0]
    expected = [None, HIT, MISSED, FALSE, OTHER]
    for place, outcome in enumerate(expected):
        colour = of_colour(OUTCOMES[outcome].colour) if outcome else np.zeros(3)
        assert drawn[place].tolist() == colour.tolist()
    rim = draw_outcomes(truth, found, ~counted)
    assert len(np.unique(rim.reshape(-1, 3), axis=0)) == 1
    assert drawn[5].tolist() == rim[0, 0].tolist()


def test_edges_part_objects_that_touch_and_none_else() -> None:
    labels = np.zeros((6, 8), int)
    labels[1:5, 1:4], labels[1:5, 4:7] = 1, 2
    marked = edges(labels)
    assert marked[2, 3]
    assert marked[2, 4]
    assert not marked[2:4, 2].any()
    assert not edges(np.full((4, 4), 3)).any()
    assert not edges(np.where(np.eye(4) > 0, -1, 0)).any()
    dashes = dashed(np.ones((1, 36), bool))
    assert dashes.sum() == 18
    assert np.diff(dashes[0].astype(int)).tolist().count(1) == 1


def test_outlines_are_solid_where_found_and_dashed_where_true(
    facts: dict[str, SegmentFacts],
) -> None:
    held = facts["vessels"]
    picture = held.pictures[0]
    empty = np.zeros_like(picture.truth)

    def share(colour: str, **known: Any) -> float:
        one = dataclasses.replace(picture, **known)
        shown = show_pictures(dataclasses.replace(held, pictures=(one,)))[0]
        drawn = np.asarray(opened(shown.tiles[3].address)).astype(int)
        return float((np.abs(drawn - of_colour(colour)).max(-1) < 60).mean())

    alone, agreed = share(FOUND, truth=empty), share(FOUND, truth=picture.found)
    assert agreed == pytest.approx(alone / 2, rel=0.2)
    assert share(FOUND, truth=empty, found=empty) < 0.001
    assert share(TRUE, found=picture.truth) == pytest.approx(share(TRUE, found=empty), rel=0.2)
    assert share(TRUE, truth=empty) < 0.001


def test_canvas_keeps_labels_and_shapes() -> None:
    assert canvas_size((3, 1500, 3000), 800) == (400, 800)
    assert canvas_size((1, 40, 20), 800) == (320, 160)
    labels = np.array([[1, 2], [3, 4]])
    wide = spread(labels, (4, 6))
    assert wide.tolist()[0] == [1, 1, 1, 2, 2, 2]
    assert spread(wide, (2, 2)).tolist() == labels.tolist()
    shades = np.zeros((4, 4), np.uint8)
    shades[:, 0] = 200
    assert resized(shades, (2, 2)).tolist() == [[100, 0], [100, 0]]
    ground = np.zeros((1, 2, 3), np.uint8)
    over = painted(ground, np.array([[True, False]]), "#ff0000", 0.5)
    assert over.tolist() == [[[128, 0, 0], [0, 0, 0]]]
    assert ground.sum() == 0


def test_large_pictures_are_shown_small(facts: dict[str, SegmentFacts]) -> None:
    held = facts["tissues"]
    times = 17
    large = {
        name: np.repeat(np.repeat(getattr(held.pictures[0], name), times, -1), times, -2)
        for name in ("pixels", "truth", "odds", "found")
    }
    big = dataclasses.replace(held.pictures[0], **large)
    shown = show_pictures(dataclasses.replace(held, pictures=(big,)))[0]
    assert large["truth"].shape == (times * SIDE, times * SIDE)
    assert (shown.width, shown.height) == (SIDES[0],) * 2
    page = render_segment(dataclasses.replace(held, pictures=(big,)))
    assert set(re.findall(r' width="(\d+)"', page)) == {str(SIDES[0] // 2)}


def test_pictures_shrink_until_the_page_can_hold_them(facts: dict[str, SegmentFacts]) -> None:
    held = facts["vessels"]
    large = np.random.default_rng(5).uniform(0, 255, (1, 120, 120))
    plain = {"truth": np.zeros((120, 120), int), "found": np.zeros((120, 120), int)}
    noisy = dataclasses.replace(
        held.pictures[0], pixels=large, odds=np.full((2, 120, 120), 0.5), second=None, **plain
    )
    one = dataclasses.replace(held, pictures=(noisy,))
    half, least = (show_pictures(one, most)[0] for most in (200_000, 0))
    assert SIDES[0] > half.width > SIDES[-1]
    assert sum(len(tile.address) for tile in half.tiles) <= 200_000
    assert least.width == SIDES[-1]
    several = tuple(dataclasses.replace(held.pictures[0], name=f"p{n}") for n in range(9))
    assert len(show_pictures(dataclasses.replace(held, pictures=several))) == 9


def test_dark_pictures_are_brightened_and_it_is_said(facts: dict[str, SegmentFacts]) -> None:
    held = facts["tissues"]
    dark = dataclasses.replace(held.pictures[0], pixels=held.pictures[0].pixels / 10)
    tiles = [
        show_pictures(dataclasses.replace(held, pictures=(one,)))[0].tiles[0]
        for one in (held.pictures[0], dark)
    ]
    assert [tile.heading for tile in tiles] == ["Picture", "Picture, brightened"]
    assert np.asarray(opened(tiles[1].address)).max() > 200

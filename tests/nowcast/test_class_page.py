from __future__ import annotations

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from class_samples import empty_run, make_data, make_facts, make_run, run_of
from PIL import Image

from nowcast.report.classes.confusion import make_class_rows, make_matrix, make_pairs
from nowcast.report.classes.facts import Figure
from nowcast.report.classes.page import (
    render_classes,
    render_comparison,
    write_class_comparison,
    write_class_report,
)
from nowcast.report.classes.recipes import settings_apart, settings_shared
from nowcast.report.classes.runs import run_rows


class Outline(HTMLParser):
    """Tags that are open, texts and attributes of a page."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for seen, attributes in self.seen if seen == tag]


def sections(page: str) -> list[str | None]:
    return [held.get("id") for held in Outline(page).all("section")]


def test_page_is_whole_and_well_formed(tmp_path: Path) -> None:
    path = write_class_report(tmp_path / "run" / "report.html", make_facts())
    page = path.read_text(encoding="utf-8")
    assert [held.name for held in path.parent.iterdir()] == ["report.html"]
    assert page.startswith("<!doctype html>")
    assert Outline(page).open == []
    assert sections(page) == ["course", "classes", "odds", "mistakes", "inside", "data", "numbers"]


def test_page_needs_nothing_but_itself() -> None:
    page = render_classes(make_facts())
    for held in (*Outline(page).all("img"), *Outline(page).all("link"), *Outline(page).all("a")):
        address = held.get("src") or held.get("href") or ""
        assert address.startswith(("data:", "#")), address[:60]
    assert "<script" not in page
    assert "url(" not in page


def test_every_link_of_the_page_has_its_section() -> None:
    page = render_classes(make_facts(make_run(), make_run("lenet", seed=1)))
    wanted = {held["href"] for held in Outline(page).all("a") if str(held["href"])[0] == "#"}
    assert wanted == {f"#{name}" for name in sections(page)}


def test_every_mistake_is_a_picture_with_words() -> None:
    facts = make_facts()
    images = Outline(render_classes(facts)).all("img")
    told = [str(held["alt"]) for held in images]
    for image in facts.run.tally.mistakes:
        label, taken = (facts.data.classes[n] for n in (image.label, image.predicted))
        start = f"Test image {image.index}, labelled {label}, taken for {taken} with "
        assert any(words.startswith(start) for words in told)
    assert len(images) == 2 * facts.run.tally.keep + 1


def test_images_that_were_not_given_are_not_drawn() -> None:
    page = render_classes(make_facts(images={}, inside=()))
    assert Outline(page).all("img") == []
    assert "mistakes" not in sections(page)


def test_names_are_escaped_wherever_they_stand() -> None:
    facts = make_facts(make_run(title="<i>run</i>"), make_run("<b>other</b>"))
    evil = ("<script>1</script>", *facts.data.classes[1:])
    facts = dataclasses.replace(facts, data=dataclasses.replace(facts.data, classes=evil))
    page = render_classes(facts) + render_comparison(facts)
    for part in ("<script>1", "<i>run", "<b>other"):
        assert part not in page
        assert part.replace("<", "&lt;").replace(">", "&gt;") in page


def test_too_many_classes_have_no_matrix_but_all_else() -> None:
    run = make_run(classes=40, count=2000)
    assert make_matrix(run.tally, make_data(40).classes) == []
    assert len(make_pairs(run.tally, make_data(40).classes)) == 8
    page = render_classes(make_facts(run))
    assert "Confusion matrix" not in page
    assert "class 39" in page


@pytest.mark.parametrize("classes", [2, 7])
def test_page_of_few_or_many_classes_is_written(classes: int) -> None:
    page = render_classes(make_facts(make_run(classes=classes)))
    assert ("Top 5" in page) == (classes > 5)
    assert "nan" not in "".join(Outline(page).texts).lower().split()


def test_page_of_a_perfect_run_shows_no_mistake() -> None:
    page = render_classes(make_facts(run_of(100 * np.eye(3, dtype=int))))
    assert "Most confident mistakes" not in page
    assert "Commonest mistakes" not in page
    assert "Least sure" in page
    assert "100.00 %" in page


def test_page_without_images_says_so() -> None:
    page = render_classes(make_facts(empty_run(), images={}))
    assert "No test image was evaluated." in page
    assert "nan" not in re.sub("<style.*?</style>", "", page, flags=re.DOTALL).lower()


def test_wrong_number_of_names_is_refused() -> None:
    facts = dataclasses.replace(make_facts(), data=make_data(6))
    with pytest.raises(ValueError, match="expected the names of 7 classes of vgg-small, found 6"):
        render_classes(facts)


def test_comparison_has_a_row_and_a_line_for_each_run(tmp_path: Path) -> None:
    runs = [
        make_run(name, seed=n, parameters=10**n, seconds_training=60.0 * n)
        for n, name in enumerate(("a", "b", "c"), 3)
    ]
    facts = make_facts(*runs)
    page = write_class_comparison(tmp_path / "compare.html", facts).read_text(encoding="utf-8")
    assert sections(page) == ["runs", "recipes", "numbers"]
    assert Outline(page).open == []
    rows = run_rows(facts.runs)
    assert [row.style.title for row in rows] == ["a", "b", "c"]
    assert len({row.style.colour for row in rows}) == 3
    best = max(runs, key=lambda run: run.tally.accuracy())
    assert [row.style.name for row in rows if row.cells[0].best] == [best.name]
    assert rows[0].cells[1].text == "–"
    assert rows[1].cells[1].small.startswith("p ")


def test_recipes_beside_each_other_show_what_differs_and_share_the_rest() -> None:
    shared = {"Batch": 32, "Optimiser": "Adagrad"}
    runs = [
        make_run("a", recipe={**shared, "Dense layers": 3}),
        make_run("b", seed=1, recipe={**shared, "Dense layers": 1, "Dropout": 0.5}),
    ]
    assert settings_apart(runs) == [("Dense layers", (3, 1)), ("Dropout", ("–", 0.5))]
    assert settings_shared(runs) == [("Batch", 32), ("Optimiser", "Adagrad")]
    page = render_comparison(make_facts(*runs))
    assert page.index("What differs in the recipes") < page.index("Dropout")
    assert page.count("Adagrad") == 1
    assert "What differs" not in render_comparison(make_facts(make_run("a"), make_run("b")))


def test_of_very_many_classes_the_lowest_are_listed() -> None:
    run = make_run(classes=80, count=1600)
    names = make_data(80).classes
    rows = make_class_rows(run.tally, names)
    lowest = sorted(range(80), key=lambda n: run.tally.f1()[n])[:30]
    assert [row.name for row in rows[:-2]] == [names[n] for n in lowest]
    assert "classes.csv below has all 80" in render_classes(make_facts(run))


def test_wide_figures_have_a_row_of_their_own_and_none_is_a_broken_picture() -> None:
    sizes = {"wide": (20, 1300), "narrow": (20, 1100)}
    inside = tuple(
        Figure(name, png_uri(np.zeros(size)), f"alt of {name}") for name, size in sizes.items()
    )
    page = Outline(render_classes(make_facts(inside=inside)))
    figures = [held.get("class") for held in page.all("figure")][-2:]
    assert figures == [None, "wide"]
    wide = next(held for held in page.all("img") if held["alt"] == "alt of wide")
    assert (wide["width"], wide["height"]) == ("650", "10")
    broken = Figure("broken", "data:image/png;base64,AAAA", "none")
    with pytest.raises(ValueError, match="expected a picture as a data URI in base64, found"):
        render_classes(make_facts(inside=(broken,)))


def png_uri(pixels: np.ndarray) -> str:
    held = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()

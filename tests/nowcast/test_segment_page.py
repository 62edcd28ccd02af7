from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from headless import CHROMIUM, chromium
from segment_samples import CHOSEN, CLASSES, make_facts, make_run

from nowcast.evaluation import SegmentTally
from nowcast.report.segment.charts import segment_charts
from nowcast.report.segment.colours import (
    FATES,
)
from nowcast.report.segment.facts import SegmentFacts
from nowcast.report.segment.numbers import segment_downloads, segment_scores
from nowcast.report.segment.page import key_figures, render_segment, write_segment_report
from nowcast.report.segment.pairs import compare_pictures
from nowcast.report.segment.pictures import class_key
from nowcast.report.segment.rows import picture_columns, picture_rows
from nowcast.report.segment.scores import (
    class_rows,
    fate_table,
    object_table,
    pixel_table,
    score_tables,
)
from nowcast.report.segment.verdict import basis, segment_verdict

SECTIONS = ["scores", "runs", "pictures", "by-picture", "curves", "course", "data", "numbers"]


class Outline(HTMLParser):
    """Tags that are open and attributes of a page."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for seen, attributes in self.seen if seen == tag]


@pytest.fixture(scope="module")
def facts() -> dict[str, SegmentFacts]:
    return {kind: make_facts(kind) for kind in CLASSES}


@pytest.fixture(scope="module")
def pages(facts: dict[str, SegmentFacts]) -> dict[str, str]:
    return {kind: render_segment(held) for kind, held in facts.items()}


def words(page: str) -> str:
    bare = re.sub("<style.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub("<[^>]*>", " ", bare).split())


@pytest.mark.parametrize("kind", CLASSES)
def test_page_is_whole_and_well_formed(kind: str, pages: dict[str, str]) -> None:
    outline = Outline(pages[kind])
    assert outline.open == []
    told = [name for name in SECTIONS if kind != "tissues" or name != "curves"]
    assert [held["id"] for held in outline.all("section")] == told
    places = {held["id"] for _, held in outline.seen if "id" in held}
    wanted = {str(held["href"])[1:] for held in outline.all("a") if str(held["href"])[0] == "#"}
    assert wanted == {*told, "picture-1", "picture-2", "picture-3"}
    assert wanted <= places
    assert "nan" not in words(pages[kind]).lower().split()


@pytest.mark.parametrize("kind", CLASSES)
def test_page_needs_nothing_but_itself(kind: str, pages: dict[str, str]) -> None:
    outline = Outline(pages[kind])
    for held in (*outline.all("img"), *outline.all("link"), *outline.all("a")):
        address = held.get("src") or held.get("href") or ""
        assert address.startswith(("data:", "#")), address[:60]
    assert "<script" not in pages[kind]
    assert "url(" not in pages[kind]


def test_page_is_written_whole(facts: dict[str, SegmentFacts], tmp_path: Path) -> None:
    path = write_segment_report(tmp_path / "run" / "report.html", facts["tissues"])
    assert [held.name for held in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").endswith("</html>")


def test_names_are_escaped_wherever_they_stand(facts: dict[str, SegmentFacts]) -> None:
    held = facts["vessels"]
    training = dataclasses.replace(held.run.training, title="<script>1</script>")
    evil = dataclasses.replace(
        held,
        run=dataclasses.replace(held.run, training=training),
        pictures=(dataclasses.replace(held.pictures[0], name="<i>name</i>"),),
        peculiar=("<b>odd</b>",),
    )
    page = render_segment(evil)
    for part in ("<script>1", "<i>name", "<b>odd"):
        assert part not in page
        assert part.replace("<", "&lt;").replace(">", "&gt;") in page


def test_verdict_names_the_scores_the_errors_and_the_rival(facts: dict[str, SegmentFacts]) -> None:
    held = facts["objects"]
    tally = held.run.objects
    told = segment_verdict(held)
    assert f"of the {tally.true_objects} nuclei of 3 test pictures of Made pictures" in told[0]
    assert f"F1 {tally.f1()[0]:.3f} at IoU 0.5" in told[0]
    merged = sum(row["merged"] for row in held.run.rows)
    assert f"{merged} merged" in told[1]
    assert told[1].endswith("without separation 6 would be merged.")
    assert told[2].startswith("Against fcn-8: F1 ")
    worst = min(held.run.rows, key=lambda row: row["f1"])
    assert worst["picture"] in told[3]
    assert told[4].startswith("Trained for 8 epochs in 5 min")


def test_verdict_says_where_the_threshold_of_membranes_comes_from(
    facts: dict[str, SegmentFacts],
) -> None:
    held = facts["membranes"]
    at = held.run.membranes.at(0.5)
    told = segment_verdict(held)[0]
    assert f"V-Rand {at.v_rand:.4f}" in told
    assert f"at the threshold 0.5, chosen on {CHOSEN}" in told
    free = dataclasses.replace(held, run=dataclasses.replace(held.run, membrane=None))
    assert "the best on these very pictures" in segment_verdict(free)[0]
    note = score_tables(free)[0].note
    assert "largest V-Rand on these very pictures" in note


def test_human_stands_beside_the_network(facts: dict[str, SegmentFacts]) -> None:
    held = facts["vessels"]
    theirs = held.reference.mean_dice()[1]
    human = next(told for told in segment_verdict(held) if "human" in told)
    assert f"reaches Dice {theirs:.3f}" in human
    ahead = sum(row["dice"] > row["second_dice"] for row in held.run.rows)
    assert f"closer to it on {ahead} of 3 pictures" in human
    figures = {heading: remark for heading, _, remark in key_figures(held)}
    assert figures["Dice"] == f"second observer {theirs:.3f}"
    table = pixel_table(held)
    assert [row.style.title for row in table.rows][-1] == "Second observer"
    assert table.columns[0].cells[-1].text == f"{theirs:.4f}"
    assert table.columns[-1].cells[-1].text == "–"
    assert "Second observer: finds" in str(segment_charts(held)[0].charts[0].svg)


def test_tables_mark_the_best_run(facts: dict[str, SegmentFacts]) -> None:
    for table in (object_table(facts["objects"]), pixel_table(facts["objects"])):
        for column in table.columns:
            first, second = column.cells
            if column.heading in {"F1", "Dice", "AUC", "Pixel error"} and first.text != second.text:
                assert (first.best, second.best) == (True, False), column.heading


def test_table_of_errors_adds_the_pictures(facts: dict[str, SegmentFacts]) -> None:
    held = facts["objects"]
    columns = {column.heading: column for column in fate_table(held).columns[:-1]}
    assert list(columns) == [look.title.capitalize() for look in FATES.values()]
    for name, column in columns.items():
        for run, cell in zip(held.runs, column.cells, strict=True):
            assert int(cell.text) == sum(row[name.lower()] for row in run.rows)
    true = sum(int(columns[name].cells[0].text) for name in columns if name != "False")
    assert true == held.run.objects.true_objects


def test_table_leads_to_the_drawings_of_a_picture(facts: dict[str, SegmentFacts]) -> None:
    held = facts["objects"]
    few = dataclasses.replace(held, pictures=held.pictures[:1])
    rows = picture_rows(few)
    assert [row.name for row in rows] == [row["picture"] for row in held.run.rows]
    assert {row.name: row.place for row in rows} == {"picture-0": 1, "picture-1": 0, "picture-2": 0}
    columns = [heading for heading, _ in picture_columns(few)]
    assert columns[0] == "F1"
    assert rows[0].cells[0] == f"{held.run.rows[0]['f1']:.3f}"
    wrong = rows[0].cells[columns.index("Pixel error")]
    assert wrong == f"{100 * held.run.rows[0]['pixel_error']:.2f}"
    assert "the 1 of the lowest scores of 3" in words(render_segment(few))


def test_runs_are_compared_picture_by_picture() -> None:
    first = [{"picture": f"p{n}", "merged": 1, "f1": 0.9, "dice": None} for n in range(6)]
    others = [{"picture": f"p{n}", "merged": 3, "f1": 0.9, "dice": 0.5} for n in range(7)]
    second = others[::-1]
    f1, merged = compare_pictures(first, second)
    assert (f1.name, f1.better, f1.worse, f1.p_value) == ("f1", 0, 0, 1.0)
    assert (merged.first, merged.second, merged.pictures) == (6, 18, 6)
    assert (merged.better, merged.worse) == (6, 0)
    assert merged.p_value == pytest.approx(2 / 2**6)
    assert merged.sure
    turned = compare_pictures(second, first)[1]
    assert (turned.better, turned.worse, turned.p_value) == (0, 6, merged.p_value)


def test_fewer_than_six_pictures_have_no_p_value() -> None:
    first = [{"picture": f"p{n}", "merged": 1} for n in range(6)]
    second = [{"picture": f"p{n}", "merged": 3} for n in range(5)]
    (merged,) = compare_pictures(first, second)
    assert (merged.better, merged.p_value, merged.sure) == (5, None, False)
    assert merged.chance == "too few pictures to tell"


def test_page_says_what_the_test_by_picture_takes_for_granted(
    facts: dict[str, SegmentFacts], pages: dict[str, str]
) -> None:
    told = words(pages["objects"])
    assert "of 3 (too few pictures to tell)" in told
    assert "The test takes pictures as independent." in told
    eyes = dataclasses.replace(facts["vessels"], related="both eyes of a person")
    assert "as independent, which both eyes of a person are not" in words(render_segment(eyes))


def test_page_says_how_many_pictures_chose_and_how_many_judge(
    facts: dict[str, SegmentFacts], pages: dict[str, str]
) -> None:
    few = "; scores are of 3 test pictures, so few that other pictures may well score otherwise."
    assert f"Threshold and separation were chosen on {CHOSEN}{few}" in words(pages["objects"])
    assert f"Threshold and threshold of membrane were chosen on {CHOSEN}{few}" in words(
        pages["membranes"]
    )
    assert f"Threshold was chosen on {CHOSEN}{few}" in words(pages["vessels"])
    run = facts["vessels"].run
    many = SegmentTally(2, threshold=0.5)
    for _ in range(4):
        many += run.pixels
    held = dataclasses.replace(facts["vessels"], run=dataclasses.replace(run, pixels=many))
    assert basis(held).endswith("; scores are of 12 test pictures.")


def test_downloads_hold_every_number(facts: dict[str, SegmentFacts]) -> None:
    names = {kind: {one.name for one in segment_downloads(held)} for kind, held in facts.items()}
    shared = {"pictures.csv", "roc.csv", "compared.csv", "course.csv", "scores.json"}
    assert names["objects"] == shared | {"objects.csv"}
    assert names["membranes"] == shared | {"membranes.csv"}
    assert names["vessels"] == names["tissues"] == shared
    files = {one.name: one.address for one in segment_downloads(facts["objects"])}
    held = json.loads(base64.b64decode(files["scores.json"].partition(",")[2]))
    tally = facts["objects"].run.objects
    assert held["runs"][0]["objects"]["f1_by_iou"] == pytest.approx(tally.f1().tolist())
    assert len(held["runs"][1]["pictures"]) == 3
    table = pd.read_csv(io.BytesIO(base64.b64decode(files["objects.csv"].partition(",")[2])))
    assert len(table) == 20
    assert table["f1"].to_numpy()[:10] == pytest.approx(tally.f1())


def test_undefined_numbers_are_dashes_and_null(facts: dict[str, SegmentFacts]) -> None:
    held = facts["vessels"]
    rows = tuple({**row, "dice": None, "score": float("nan")} for row in held.run.rows)
    bare = dataclasses.replace(held, run=dataclasses.replace(held.run, rows=rows), reference=None)
    assert all("–" in row.cells for row in picture_rows(bare))
    assert segment_scores(bare)["runs"][0]["pictures"][0]["score"] is None
    assert "nan" not in words(render_segment(bare)).lower().split()


def test_page_without_pictures_and_rivals_has_no_empty_parts(
    facts: dict[str, SegmentFacts],
) -> None:
    held = facts["vessels"]
    bare = dataclasses.replace(held, others=(), pictures=(), reference=None)
    outline = Outline(render_segment(bare))
    told = [name for name in SECTIONS if name not in {"runs", "pictures"}]
    assert [one["id"] for one in outline.all("section")] == told
    nobody = dataclasses.replace(bare.run, pixels=SegmentTally(2), rows=())
    empty = dataclasses.replace(bare, run=nobody)
    assert segment_verdict(empty) == ["No test picture was evaluated."]
    assert "nan" not in words(render_segment(empty)).lower().split()


def test_more_than_two_classes_have_a_key_and_rows(
    facts: dict[str, SegmentFacts], pages: dict[str, str]
) -> None:
    held = facts["tissues"]
    assert [mark.title for mark in class_key(held)] == list(CLASSES["tissues"])
    assert len({mark.swatch for mark in class_key(held)}) == 3
    assert class_key(facts["objects"]) == ()
    names, dice = [name for name, _ in class_rows(held)], held.run.pixels.dice()
    assert names == list(CLASSES["tissues"])
    assert [float(values[0]) for _, values in class_rows(held)] == pytest.approx(dice, abs=1e-4)
    assert "Means of all classes but background." in words(pages["tissues"])
    assert "Probability of" not in words(pages["tissues"])


def test_facts_that_do_not_fit_are_refused(facts: dict[str, SegmentFacts]) -> None:
    held = facts["tissues"]
    with pytest.raises(ValueError, match="a name of its own for each run, found"):
        render_segment(dataclasses.replace(held, others=(held.run,)))
    data = dataclasses.replace(held.data, classes=("one", "two"))
    with pytest.raises(
        ValueError, match="expected the names of 3 classes of unet-tissues, found 2"
    ):
        render_segment(dataclasses.replace(held, data=data))
    small = dataclasses.replace(held.pictures[0], truth=held.pictures[0].truth[1:])
    with pytest.raises(ValueError, match=r"labels of \(48, 48\) pixels for picture 'picture-0'"):
        render_segment(dataclasses.replace(held, pictures=(small,)))


def test_runs_without_objects_have_no_table_of_objects(facts: dict[str, SegmentFacts]) -> None:
    held = facts["objects"]
    plain, _ = make_run("vessels", "plain", 1.0)
    mixed = dataclasses.replace(held, others=(plain,))
    assert object_table(mixed) is None
    assert fate_table(mixed) is None
    assert [table.title for table in score_tables(mixed)] == ["By pixel"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_no_page_scrolls_sideways_or_complains(pages: dict[str, str], tmp_path: Path) -> None:
    with chromium(tmp_path / "chromium") as browser:
        for kind, page in pages.items():
            path = tmp_path / f"{kind}.html"
            path.write_text(page, encoding="utf-8")
            browser.open(path)
            for width in (320, 390, 768, 1280):
                browser.resize(width, 800)
                inside, shown = browser.run(
                    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
                )
                assert inside <= shown <= width
            broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)"
            assert browser.run(broken) == []
        assert browser.complaints == []

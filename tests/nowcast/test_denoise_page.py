from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from denoise_samples import LEVELS, make_facts, make_fields, make_radar
from headless import CHROMIUM, chromium
from PIL import Image

from nowcast.evaluation import RestorationTally
from nowcast.report.denoise.effects import Panel, effect_charts
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, RadarFacts, WidthCurve
from nowcast.report.denoise.figures import (
    draw_atoms,
    draw_latent_map,
    draw_samples,
    draw_traversals,
)
from nowcast.report.denoise.maps import KEPT, LEFT, LOST, MADE_UP, MISSING, REMOVED, outcomes
from nowcast.report.denoise.methods import (
    best_rival,
    gain_of,
    in_order,
    lead_of,
    method_styles,
    method_table,
)
from nowcast.report.denoise.numbers import denoise_downloads, denoise_scores
from nowcast.report.denoise.page import key_figures, render_denoise, write_denoise_report
from nowcast.report.denoise.pictures import make_gallery
from nowcast.report.denoise.radar import exchange, left_at, place_of
from nowcast.report.denoise.verdict import denoise_verdict


class Outline(HTMLParser):
    """Tags that are open, texts and attributes of a page."""

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

    @property
    def sections(self) -> list[str | None]:
        return [held.get("id") for held in self.all("section")]


@pytest.fixture(scope="module")
def facts() -> DenoiseFacts:
    return make_facts()


@pytest.fixture(scope="module")
def radar() -> DenoiseFacts:
    return make_radar()


def words(page: str) -> str:
    return re.sub("<[^>]*>", " ", re.sub("<style.*?</style>", "", page, flags=re.DOTALL))


def test_page_is_whole_and_well_formed(facts: DenoiseFacts, tmp_path: Path) -> None:
    path = write_denoise_report(tmp_path / "run" / "report.html", facts)
    page = path.read_text(encoding="utf-8")
    assert [held.name for held in path.parent.iterdir()] == ["report.html"]
    outline = Outline(page)
    assert outline.open == []
    told = ["methods", "pictures", "levels", "widths", "inside", "course", "data", "numbers"]
    assert outline.sections == told
    wanted = {held["href"] for held in outline.all("a") if str(held["href"])[0] == "#"}
    assert wanted == {f"#{name}" for name in told}
    assert "nan" not in words(page).lower().split()


def test_page_needs_nothing_but_itself(facts: DenoiseFacts, radar: DenoiseFacts) -> None:
    page = render_denoise(facts) + render_denoise(radar)
    outline = Outline(page)
    for held in (*outline.all("img"), *outline.all("link"), *outline.all("a")):
        address = held.get("src") or held.get("href") or ""
        assert address.startswith(("data:", "#")), address[:60]
    assert "<script" not in page
    assert "url(" not in page


def test_names_are_escaped_wherever_they_stand(facts: DenoiseFacts) -> None:
    evil = dataclasses.replace(facts.method, title="<script>1</script>", note="<i>note</i>")
    page = render_denoise(dataclasses.replace(facts, method=evil, peculiar=("<b>odd</b>",)))
    for part in ("<script>1", "<i>note", "<b>odd"):
        assert part not in page
        assert part.replace("<", "&lt;").replace(">", "&gt;") in page


def test_verdict_names_the_score_the_best_rival_and_the_levels(facts: DenoiseFacts) -> None:
    told = denoise_verdict(facts)
    level = facts.method.tally.psnr()
    assert f"to {level:.2f} dB PSNR" in told[0]
    assert "(σ as a share of white: 0.3)" in told[0]
    gap = level - next(held for held in facts.others if held.name == "bm3d").tally.psnr()
    assert told[1].startswith(f"It is {gap:.2f} dB ahead of the best classic method, BM3D with σ")
    assert "better on 100 % of the images" in told[1]
    assert any(f"At every level from {LEVELS[0]:g} to {LEVELS[-1]:g} it is" in s for s in told)
    assert any("Autoencoder errs 0.62 times as much at 4 values" in s for s in told)


def test_verdict_does_not_hide_that_a_classic_method_is_better(facts: DenoiseFacts) -> None:
    rival = next(held for held in facts.others if held.name == "bm3d")
    levels = {**rival.by_level, 0.1: facts.method.by_level[0.2], 0.4: facts.method.by_level[0.1]}
    better = dataclasses.replace(
        rival, tally=facts.method.by_level[0.1], psnr=facts.method.psnr + 1, by_level=levels
    )
    told = denoise_verdict(dataclasses.replace(facts, others=(better,)))
    assert "It is 1.00 dB behind the best classic method, BM3D" in told[1]
    assert "better on 0 % of the images" in told[1]
    assert "At level 0.4 a classic method is better." in told


def test_table_orders_methods_and_marks_the_best(facts: DenoiseFacts) -> None:
    assert [held.name for held in in_order(facts.methods)] == [
        *("denoise-unet", "denoise-conv", "bm3d", "nlm", "nothing")
    ]
    columns, rows = method_table(facts.methods)
    assert [row.style.title for row in rows][:3] == ["U-Net denoiser", "denoise-conv", "BM3D"]
    headings = [column.heading for column in columns]
    assert "Images" not in headings
    for heading in ("PSNR", "SSIM", "MSE"):
        cells = columns[headings.index(heading)].cells
        assert [cell.best for cell in cells] == [True, False, False, False, False]
    styles = method_styles(facts.methods)
    assert len({(style.colour, style.dash) for style in styles.values()}) == len(styles)


def test_methods_of_fewer_images_are_compared_on_those_they_share(facts: DenoiseFacts) -> None:
    rival = next(held for held in facts.others if held.name == "bm3d")
    few = rival.psnr.copy()
    few[4:] = np.nan
    tally = RestorationTally()
    tally.update(torch.zeros(4, 1, 16, 16), torch.ones(4, 1, 16, 16))
    slow = dataclasses.replace(rival, psnr=few, tally=tally)
    gain = gain_of(facts.method, slow)
    assert gain.mean == pytest.approx((facts.method.psnr - rival.psnr)[:4].mean())
    columns, _ = method_table((facts.method, slow))
    assert [cell.text for cell in columns[0].cells] == ["12", "4"]
    unknown = dataclasses.replace(slow, psnr=None)
    columns, _ = method_table((facts.method, unknown))
    assert "Difference" not in [column.heading for column in columns]


def test_a_rival_of_fewer_and_easier_images_is_compared_on_those_that_all_share(
    facts: DenoiseFacts,
) -> None:
    easy, hard, none = np.full(4, 1.0), np.full(8, 0.0), np.full(8, np.nan)

    def judged(held: MethodFacts, levels: np.ndarray) -> MethodFacts:
        tally = RestorationTally()
        errors = torch.from_numpy(255 * 10 ** (-levels[np.isfinite(levels)] / 20))
        restored = errors[:, None, None, None].expand(-1, 1, 16, 16)
        tally.update(restored, torch.zeros_like(restored))
        known = {"psnr": levels, "psnr_by_level": dict.fromkeys(LEVELS, levels)}
        return dataclasses.replace(
            held, tally=tally, by_level=dict.fromkeys(LEVELS, tally), **known
        )

    network = judged(facts.method, np.concatenate([30 + 10 * easy, 20 + hard]))
    named = {held.name: held for held in facts.others}
    steady = judged(named["nlm"], np.concatenate([27 + 10 * easy, 17 + hard]))
    slow = judged(named["bm3d"], np.concatenate([26 + 10 * easy, none]))
    assert slow.tally.psnr() > network.tally.psnr() > steady.tally.psnr()
    assert best_rival(network, (steady, slow)) is steady
    assert best_rival(network, (slow,)) is slow
    assert lead_of(network, slow) == pytest.approx(4)
    held = dataclasses.replace(facts, method=network, others=(steady, slow), rows=())
    told = denoise_verdict(held)
    assert told[1].startswith("It is 3.00 dB ahead of the best classic method, Non-local means")
    assert any("ahead of every classic method, by 3.0 to 3.0 dB" in sentence for sentence in told)
    assert ("Best rival", "+3.00 dB", "against Non-local means") in key_figures(held)
    columns, rows = method_table(held.methods)
    (levels,) = (column for column in columns if column.heading == "PSNR")
    assert [cell.best for cell in levels.cells] == [row.style.name == network.name for row in rows]
    plain = [
        dataclasses.replace(one, psnr=None, psnr_by_level={}) for one in (network, steady, slow)
    ]
    assert best_rival(plain[0], plain[1:]) is plain[2]


def test_every_sentence_of_a_verdict_begins_with_a_capital_letter(
    facts: DenoiseFacts, radar: DenoiseFacts
) -> None:
    named = dataclasses.replace(facts.method, title="", training=None)
    for held in (dataclasses.replace(facts, method=named, peculiar=("odd images.",)), radar):
        told = denoise_verdict(held)
        assert len(told) > 2
        assert all(sentence[0].isupper() for sentence in told)
        assert denoise_verdict(held)[0].lower().startswith(held.method.shown)


def test_every_picture_has_words_and_errors_are_drawn_on_one_scale(facts: DenoiseFacts) -> None:
    gallery = make_gallery(facts)
    assert gallery.headings[:3] == ("Clean", "Noisy", "U-Net denoiser")
    assert len(gallery.rows) == 3
    for row in gallery.rows:
        assert len(row.images) == len(row.errors) == len(gallery.headings) == 6
        assert row.errors[0] is None
        assert all(cell.note.endswith(" dB") for cell in row.images[1:])
        assert all("of 255 in the mean" in cell.alt for cell in row.errors[1:])
    page = Outline(render_denoise(facts))
    assert all(str(held["alt"]).strip() for held in page.all("img"))


def test_large_images_in_colour_show_their_middle_unshrunk() -> None:
    facts = make_facts(channels=3, side=120, count=3)
    gallery = make_gallery(facts)
    assert gallery.cut
    assert gallery.coloured
    held = gallery.rows[0].images[0].address.partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(held))) as picture:
        assert picture.size == (96, 96)
        pixels = np.array(picture.convert("RGB"))
    middle = np.moveaxis(facts.rows[0].clean[:, 12:108, 12:108], 0, -1)
    assert (pixels == middle).all()
    page = render_denoise(facts)
    assert "the middle 96 × 96 pixels are shown" in page
    assert "mean of its colours" in page


def test_page_of_a_plain_autoencoder_reproduces(facts: DenoiseFacts) -> None:
    own = facts.method.name
    rows = tuple(
        dataclasses.replace(row, noisy=row.clean, restored={own: row.restored[own]})
        for row in facts.rows
    )
    plain = dataclasses.replace(facts, noise=None, others=(), rows=rows)
    assert denoise_verdict(plain)[0].startswith("U-Net denoiser reproduces 12 test images")
    assert make_gallery(plain).headings == ("Clean", "U-Net denoiser")
    page = Outline(render_denoise(plain))
    assert "levels" not in page.sections
    assert page.open == []


def test_page_without_pictures_figures_or_images_says_so(facts: DenoiseFacts) -> None:
    empty = MethodFacts("denoise-unet", RestorationTally(), kind="network")
    bare = DenoiseFacts("Nothing", facts.data, empty)
    page = render_denoise(bare)
    assert "No test image was judged." in page
    assert Outline(page).sections == ["methods", "data", "numbers"]
    assert "nan" not in words(page).lower()


def test_radar_page_draws_the_exchange_the_scores_and_the_maps(radar: DenoiseFacts) -> None:
    page = render_denoise(radar)
    outline = Outline(page)
    assert outline.open == []
    assert outline.sections == ["radar", "course", "data", "numbers"]
    assert "Clutter left against rain lost" in page
    assert "Radar-cleaner leaves" in denoise_verdict(radar)[0]
    assert "Rates by Z = 200" in page
    several = dataclasses.replace(radar, radar=dataclasses.replace(radar.radar, several=True))
    assert "Rates by the Z–R relation of each product" in render_denoise(several)
    told = [str(held["alt"]) for held in outline.all("img")]
    assert len(told) == 4 + 3
    assert any("clutter removed" in words for words in told)


def test_exchange_begins_at_nothing_and_leaves_out_what_none_would_choose(
    radar: DenoiseFacts,
) -> None:
    for method in radar.methods:
        lost, left = exchange(method, 1.0)
        assert (lost[0], left[0]) == (0, 1)
        assert (np.diff(lost) > 0).all()
        assert (np.diff(left) < 0).all()
    cleaner = radar.method
    lost, left = place_of(cleaner.cleaned, 1.0)
    assert left_at(cleaner, 1.0, lost) == pytest.approx(left)
    assert left_at(cleaner, 1.0, 0.0) == 1
    strictest = exchange(cleaner, 1.0)[1][-1]
    assert left_at(cleaner, 1.0, 1.0) == pytest.approx(strictest)
    halfway = left_at(radar.others[0], 1.0, 0.0)
    assert left < left_at(radar.others[0], 1.0, lost) < halfway


def test_every_pixel_of_a_cleaned_field_has_its_outcome(radar: DenoiseFacts) -> None:
    held = make_fields()
    assert isinstance(radar.radar, RadarFacts)
    clean, noisy = held["clean"], held["noisy"]
    limit = radar.radar.zr.threshold_dbz(radar.radar.threshold)
    untouched = outcomes(noisy, noisy, clean, radar.radar)
    assert set(np.unique(untouched)) == {0, KEPT, LEFT, MISSING}
    nothing = outcomes(np.full_like(clean, -32), noisy, clean, radar.radar)
    assert set(np.unique(nothing)) == {0, LOST, REMOVED, MISSING}
    assert ((nothing == LOST) == (clean >= limit)).all()
    wet = outcomes(np.full_like(clean, 40), noisy, clean, radar.radar)
    assert (wet == MADE_UP).sum() == (untouched == 0).sum() > 0


def test_downloads_hold_every_method_level_and_setting(
    facts: DenoiseFacts, radar: DenoiseFacts
) -> None:
    held = {file.name: file.address for file in denoise_downloads(facts)}
    assert list(held) == ["methods.csv", "levels.csv", "widths.csv", "course.csv", "scores.json"]
    rows = pd.read_csv(io.BytesIO(base64.b64decode(held["levels.csv"].partition(",")[2])))
    assert len(rows) == len(facts.methods) * len(LEVELS)
    own = rows[(rows["method"] == "denoise-unet") & (rows["level"] == 0.3)]
    assert own["psnr"].item() == pytest.approx(facts.method.tally.psnr(), abs=1e-6)
    scores = json.loads(base64.b64decode(held["scores.json"].partition(",")[2]))
    assert scores == json.loads(json.dumps(denoise_scores(facts), allow_nan=False))
    cleaning = denoise_scores(radar)["methods"][1]["cleaning"]
    assert len(cleaning) == 4 * 3
    assert {row["setting"] for row in cleaning} == {"1", "2", "3", "4"}
    json.dumps(denoise_scores(radar), allow_nan=False)


def test_facts_that_do_not_fit_are_refused(facts: DenoiseFacts, radar: DenoiseFacts) -> None:
    twice = dataclasses.replace(facts, others=(facts.method,))
    with pytest.raises(ValueError, match="expected a name of its own for each method"):
        render_denoise(twice)
    alone = dataclasses.replace(facts, others=())
    with pytest.raises(ValueError, match="found some of 'bm3d' in 'Test image 0'"):
        render_denoise(alone)
    lost = dataclasses.replace(radar.method, chosen="9")
    with pytest.raises(ValueError, match="expected the chosen setting of radar-cleaner among"):
        render_denoise(dataclasses.replace(radar, method=lost))
    other = dataclasses.replace(radar.radar, threshold=2.0)
    with pytest.raises(ValueError, match="expected the radar's threshold among"):
        render_denoise(dataclasses.replace(radar, radar=other))
    with pytest.raises(ValueError, match="PCA: expected as many errors as widths, found 1 and 2"):
        WidthCurve("PCA", (1, 2), (3.0,))


def test_figures_of_codes_are_pictures_with_words(facts: DenoiseFacts) -> None:
    draws = torch.Generator().manual_seed(1)
    images = 255 * torch.rand(6, 5, 1, 12, 12, generator=draws)
    figures = (
        draw_latent_map(torch.randn(40, 3, generator=draws), torch.arange(40) % 2, ("a", "b")),
        draw_traversals(images, (-2, -1, 0, 1, 2), [f"value {n}" for n in range(6)], "VAE"),
        draw_samples(images[0], 12.34, 1.5),
        draw_atoms(images[0] - 128),
    )
    assert figures[1].title == "Along single values of the code: VAE"
    assert "classifier: 12.3; of real training images 1.5." in figures[2].sentence
    page = Outline(render_denoise(dataclasses.replace(facts, figures=figures)))
    assert {figure.alt for figure in figures} <= {held.get("alt") for held in page.all("img")}
    with pytest.raises(ValueError, match="expected 2 rows of 5 images, found"):
        draw_traversals(images, (-2, -1, 0, 1, 2), ["a", "b"])
    with pytest.raises(ValueError, match="expected codes of 4 images or more of 2 values or more"):
        draw_latent_map(torch.zeros(9, 1), torch.zeros(9), ("a",))
    for draw in (draw_samples, draw_atoms):
        with pytest.raises(ValueError, match="expected one image or more, found none"):
            draw(images[0, :0])


def test_effects_are_lines_with_and_without(facts: DenoiseFacts) -> None:
    panel = Panel("Active units, %", "epoch", {"plain": ([1, 2], [9, 8]), "L1": ([1, 2], [9, 2])})
    group = effect_charts("Sparsity", "Fewer units answer.", [panel])
    assert [style.title for style in group.key] == ["plain", "L1"]
    page = render_denoise(dataclasses.replace(facts, effects=(group,)))
    assert "effects" in Outline(page).sections
    assert "plain from 9 to 8; L1 from 9 to 2" in page
    with pytest.raises(ValueError, match="L1: expected as many values as places, found 1 and 2"):
        effect_charts("Sparsity", "", [Panel("y", "x", {"L1": ([1, 2], [3])})])
    with pytest.raises(ValueError, match="Sparsity: expected one line or more, found none"):
        effect_charts("Sparsity", "", [])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_no_page_scrolls_sideways_or_complains(
    facts: DenoiseFacts, radar: DenoiseFacts, tmp_path: Path
) -> None:
    with chromium(tmp_path / "chromium") as browser:
        for name, held in {"images": facts, "radar": radar}.items():
            browser.open(write_denoise_report(tmp_path / f"{name}.html", held))
            for width in (320, 390, 768, 1280):
                browser.resize(width, 800)
                inside, shown = browser.run(
                    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
                )
                assert inside <= shown <= width
            broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)"
            assert browser.run(broken) == []
        assert browser.complaints == []

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree
from typer.testing import CliRunner

from flows.cli import app
from flows.segmentation import Segmentation, Segmented, segment
from flows.segmentation.answers import Answer, whole_objects
from flows.segmentation.data import task_of
from flows.segmentation.judge import Jury
from flows.segmentation.runs import run_of
from flows.segmentation.tuning import Tuned, _some, largest_mean_dice, least_error
from flows.service import deployed
from nowcast.evaluation import SegmentTally
from nowcast.recipes import RECIPES, Recipe
from nowcast.tasks import SegmentTask
from pipeline.masks import MaskSet
from pipeline.masks.pixel_weights import bordered

SIDE = 48
TINY = Recipe(
    name="tiny",
    task=SegmentTask(2, 1),
    network="unet",
    network_options={"widths": (8, 16), "norm": "batch"},
    batch_size=4,
    crop=32,
    steps=50,
    optimiser="adamw",
    learning_rate=1e-2,
    warmup=5,
    ema=0.8,
    validate_every=25,
    augment=False,
    augmentation={"elastic": 2.0},
    pixel_weights={"border": 10.0, "sigma": 3.0, "balance": False},
)
OTHERS = (
    replace(TINY, name="tiny-plain", pixel_weights={}),
    replace(TINY, name="tiny-border", task=SegmentTask(3, 1), pixel_weights={}, steps=80),
    replace(
        TINY,
        name="tiny-unpadded",
        network_options={"widths": (8, 16), "padding": False, "upsampling": "transposed"},
        crop=44,
    ),
)


@pytest.fixture(scope="module", autouse=True)
def recipes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for recipe in (TINY, *OTHERS):
            patch.setitem(RECIPES, recipe.name, recipe)
        yield


def _save(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def _discs(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Two that touch and one alone."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x = rng.uniform(10, 16, 2)
    label = np.zeros((SIDE, SIDE), np.uint16)
    for number, (row, column) in enumerate(((y, x), (y, x + 15), (36, rng.uniform(10, 38))), 1):
        label[np.hypot(rows - row, columns - column) < 7.7] = number
    return label


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("discs"), np.random.default_rng(0)
    for number in range(12):
        label = _discs(rng)
        picture = np.where(label > 0, 190, 40) + rng.normal(0, 12, label.shape)
        _save(root / "images" / f"p{number}q.png", picture.clip(0, 255).astype(np.uint8))
        _save(root / "masks" / f"p{number}q.png", label)
    return root


@pytest.fixture(scope="module")
def membranes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices of cells between dark membranes; mask 255 inside of a cell."""
    root, rng = tmp_path_factory.mktemp("slices"), np.random.default_rng(1)
    for number in range(10):
        middles, pixels = rng.uniform(0, SIDE, (6, 2)), np.moveaxis(np.mgrid[:SIDE, :SIDE], 0, 2)
        near, far = np.moveaxis(cKDTree(middles).query(pixels, 2)[0], 2, 0)
        lines = far - near < 2
        picture = np.where(lines, 40, 190) + rng.normal(0, 12, lines.shape)
        _save(root / "image" / f"{number:02d}.png", picture.clip(0, 255).astype(np.uint8))
        _save(root / "label" / f"{number:02d}.png", np.where(lines, 0, 255).astype(np.uint8))
    (root / "classes.txt").write_text("membrane\ncell\n")
    return root


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark vessels in a bright disc on black; the second observer draws them a pixel lower."""
    root, rng = tmp_path_factory.mktemp("eyes"), np.random.default_rng(2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    seen = np.hypot(rows - 23.5, columns - 23.5) < 23
    for person in range(1, 6):
        for side in "LR":
            middle = SIDE / 2 + 8 * np.sin(columns / 7 + rng.uniform(0, 6))
            vessel = seen & (abs(rows - middle) < 2)
            picture = (np.where(vessel, 90, 180) + rng.normal(0, 8, vessel.shape)) * seen
            colours = np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
            name = f"Image_{person:02d}{side}"
            Image.fromarray(colours).save(root / f"{name}.png")
            Image.fromarray(vessel).save(root / f"{name}_1stHO.png")
            Image.fromarray(np.roll(vessel, 1, 0)).save(root / f"{name}_2ndHO.png")
    return root


@pytest.fixture(scope="module")
def request_(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Segmentation:
    out = tmp_path_factory.mktemp("out")
    return Segmentation(str(objects), "tiny", out, compare=("tiny-plain", "tiny-border"))


@pytest.fixture(scope="module")
def done(request_: Segmentation) -> Segmented:
    return segment(request_)


def _scores(done: Segmented) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(done.scores.read_text())
    return scores


def test_touching_objects_that_training_never_saw_are_found_one_by_one(done: Segmented) -> None:
    for name in ("tiny", "tiny-border"):
        held = _scores(done)[name]
        assert held["pixels"]["mean_dice_by_class"][1] > 0.9, name
        assert held["objects"]["f1_by_iou"][0] > 0.8, name
        assert held["chosen_on_validation"]["pictures"] == 1
    method = {name: _scores(done)[name]["chosen_on_validation"]["separation"]["method"]
              for name in ("tiny", "tiny-border")}  # fmt: skip
    assert method["tiny-border"] == "border"
    assert method["tiny"] != "border"


def test_errors_are_told_picture_by_picture_the_worst_first(done: Segmented) -> None:
    held = _scores(done)["tiny-plain"]
    rows = held["by_picture"]
    assert len(rows) == held["pixels"]["pictures"] == 2
    assert rows[0]["f1"] <= rows[1]["f1"]
    for fate in ("right", "inexact", "missed", "false", "merged", "split"):
        assert held["errors"][fate] == sum(row[fate] for row in rows)
    of_true = ("right", "inexact", "missed", "merged", "split")
    assert sum(held["errors"][fate] for fate in of_true) == 6


def test_recipes_are_compared_on_the_same_pictures(done: Segmented) -> None:
    scores = _scores(done)
    pair = scores["compared"]["tiny and tiny-plain"]["merged_unseparated"]
    assert pair["pictures"] == scores["tiny"]["run"]["pictures"]
    assert pair["first"] == scores["tiny"]["errors"]["merged_unseparated"]
    assert pair["second"] == scores["tiny-plain"]["errors"]["merged_unseparated"]
    assert [row["recipe"] for row in done.table] == ["tiny", "tiny-plain", "tiny-border"]


def test_the_page_holds_every_recipe_and_test_picture(done: Segmented) -> None:
    page = done.report.read_text()
    for name in ("tiny", "tiny-plain", "tiny-border"):
        assert name in page
    assert "In the training of tiny pixels in the gap between two objects weigh more" in page
    assert "were chosen on 1 picture of validation; scores are of 2 test pictures, so few" in page
    assert "takes pictures as independent." in page
    for row in _scores(done)["tiny"]["by_picture"]:
        assert row["picture"] in page


def test_predictions_of_every_test_picture_are_written(
    request_: Segmentation, done: Segmented
) -> None:
    folder = request_.out / "predictions" / "tiny"
    for row in _scores(done)["tiny"]["by_picture"]:
        name = row["picture"]
        odds = np.asarray(Image.open(folder / f"{name}-object.png"))
        found = np.asarray(Image.open(folder / f"{name}-objects.png"))
        assert len(np.unique(found)) - 1 == row["objects_found"]
        assert odds[found > 0].mean() > 2 * odds[found == 0].mean()


def test_a_second_run_in_the_same_folder_is_refused_unless_it_resumes(
    request_: Segmentation, done: Segmented
) -> None:
    with pytest.raises(ValueError, match="holds a run already"):
        segment(request_)
    before = _scores(done)["tiny"]["pixels"]
    state = deployed.segment.fn(request_.data, request_.recipe, request_.out)
    assert _scores(done)["tiny"]["pixels"] == before
    assert str(state.message).startswith("tiny: Dice 0.9")
    assert "on 2 test pictures; " in str(state.message)


def test_cells_are_parted_by_membranes_whatever_the_network_pads(
    membranes: Path, tmp_path: Path
) -> None:
    for name in ("tiny", "tiny-unpadded"):
        held = _scores(segment(Segmentation(str(membranes), name, tmp_path / name)))[name]
        assert held["membranes"]["v_rand"] > 0.8, name
        assert held["membranes"]["v_rand"] <= held["membranes_challenge"]["v_rand"]
        assert held["pixels"]["classes"] == ["membrane", "cell"]
        assert held["pixels"]["pixel_error"] < 0.1, name
        assert "objects" not in held
    folder = tmp_path / "tiny" / "predictions" / "tiny"
    inside = np.asarray(Image.open(folder / "08-cell.png"))
    truth = np.asarray(Image.open(membranes / "label" / "08.png"))
    assert inside[truth == 255].mean() > 2 * inside[truth == 0].mean()


def test_vessels_are_judged_within_the_field_beside_a_second_observer(
    eyes: Path, tmp_path: Path
) -> None:
    done = segment(Segmentation(str(eyes), "tiny", tmp_path, flips=True))
    assert "Networks saw brightness less its mean" in done.report.read_text()
    held = _scores(done)["tiny"]
    assert held["pixels"]["auc_by_class"][1] > 0.95
    assert held["pixels"]["mean_dice_by_class"][1] > held["second_observer"]["dice_by_class"][1]
    assert 0.5 < held["second_observer"]["dice_by_class"][1] < 0.9
    assert done.table[1]["recipe"] == "second observer"
    assert held["by_picture"][0]["second_dice"] < 1


def test_the_worst_pictures_are_kept_as_long_as_memory_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answers() -> Iterator[Answer]:
        label = np.tri(SIDE, dtype=np.int32)
        for wrong in (0, 20, 40, 10):
            second = np.where(np.arange(SIDE) < wrong, 1 - label, label)
            odds = np.stack([1 - second, second]).astype(np.float32)
            picture = np.zeros((1, SIDE, SIDE), np.float32)
            known = np.ones((SIDE, SIDE), bool)
            yield Answer(f"{wrong}", picture, label, label, odds, None, known, None)

    def kept() -> list[str]:
        jury = Jury(2, Tuned())
        jury.hear(answers(), lambda _: None)
        assert [row["picture"] for row in jury.rows] == ["40", "20", "10", "0"]
        return [each.answer.name for each in jury.kept]

    assert kept() == ["40", "20", "10", "0"]
    monkeypatch.setattr("flows.segmentation.judge.KEPT_PIXELS", 2 * SIDE**2)
    assert kept() == ["40", "20"]
    monkeypatch.setattr("flows.segmentation.judge.KEPT_PIXELS", 1)
    assert kept() == ["40"]


def test_an_object_is_its_inside_and_what_lies_next_to_it() -> None:
    label = _discs(np.random.default_rng(3)).astype(np.int32)
    odds = np.stack([bordered(label) == k for k in range(3)]).astype(np.float32)
    whole = whole_objects(odds)
    assert ((1 - whole[0] > 0.5) == (label > 0)).mean() > 0.99
    np.testing.assert_allclose(whole.sum(0), 1)


def test_a_threshold_may_err_least_where_another_has_the_larger_dice() -> None:
    odds = np.array([[0.1] * 6 + [0.3] * 9 + [0.6] * 5])
    label = np.array([[0] * 6 + [0] * 6 + [1] * 3 + [1] * 5])
    tally = SegmentTally(2)
    tally.update(odds, label)
    assert 0.3 < least_error(tally) <= 0.6
    wrong = [((odds >= limit) != label).sum() for limit in (0, 0.2, least_error(tally), 0.7)]
    assert wrong == [12, 6, 3, 8]
    assert math.isnan(least_error(SegmentTally(2)))


def test_the_threshold_has_the_largest_mean_dice_of_the_pictures() -> None:
    rng = np.random.default_rng(0)
    tallies, pictures = [], []
    for side, lean in ((40, 0.0), (8, 0.25), (12, 0.3)):
        label = (rng.random((side, side)) < 0.3).astype(np.int32)
        odds = np.clip(0.3 + 0.25 * label + lean + 0.15 * rng.standard_normal(label.shape), 0, 1)
        tally = SegmentTally(2)
        tally.update(odds.astype(np.float32), label)
        tallies.append(tally)
        pictures.append((odds, label))
    limits = np.linspace(0.05, 0.95, 91)
    dice = [
        np.mean([2 * (o >= t)[k > 0].sum() / ((o >= t).sum() + k.sum()) for o, k in pictures])
        for t in limits
    ]
    assert largest_mean_dice(tallies) == pytest.approx(limits[np.argmax(dice)], abs=0.015)
    whole = sum(tallies[1:], tallies[0]).best_threshold()[0]
    assert abs(largest_mean_dice(tallies) - whole) > 0.03
    assert math.isnan(largest_mean_dice([SegmentTally(2)]))


def test_a_huge_picture_leaves_the_small_ones_to_choose(objects: Path) -> None:
    split = MaskSet.open(objects).split("train")

    def some(*sides: int) -> list[int]:
        pair = split.pairs[0]
        pairs = (replace(pair, header=pair.header._replace(size=(side, side))) for side in sides)
        return _some(replace(split, pairs=tuple(pairs)))

    assert some(*[200] * 20, 5000, *[200] * 20) == [*range(20), *range(21, 41)]
    assert some(*[1000] * 9) == [0, 8]
    assert some(*[500] * 15) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert some(5000, 5000, 5000) == [0, 2]
    assert some(5000) == [0]


def test_masks_of_training_without_any_object_are_refused(tmp_path: Path) -> None:
    for number in range(8):
        _save(tmp_path / "images" / f"p{number}q.png", np.full((SIDE, SIDE), 90, np.uint8))
        _save(tmp_path / "masks" / f"p{number}q.png", np.zeros((SIDE, SIDE), np.uint16))
    with pytest.raises(ValueError, match=r"expected objects numbered from 1 .*found none in all"):
        segment(Segmentation(str(tmp_path), "tiny", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_several_classes_is_one_request(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for number in range(8):
        bounds = [rng.integers(8, 18), rng.integers(28, 40)]
        label = np.digitize(np.arange(SIDE), bounds)[:, None]
        label = np.repeat(label, SIDE, 1).astype(np.uint8)
        picture = (60 + 70 * label + rng.normal(0, 6, label.shape)).astype(np.uint8)
        _save(tmp_path / "images" / f"n{number}n.png", picture)
        _save(tmp_path / "masks" / f"n{number}n.png", label)
    options = ["--data", str(tmp_path), "--recipe", "tiny", "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, ["segment", *options, "--steps", "40", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    pixels = json.loads(Path(found["scores"]).read_text())["tiny"]["pixels"]
    assert pixels["classes"] == ["background", "class 1", "class 2"]
    assert min(pixels["mean_dice_by_class"]) > 0.8
    assert found["runs"][0]["dice"] == pytest.approx(np.mean(pixels["mean_dice_by_class"][1:]))
    written = {path.name for path in (tmp_path / "out" / "predictions" / "tiny").iterdir()}
    assert {"class_1", "class_2", "classes"} == {name[4:-4] for name in written}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"recipe": "unet-m"}, "no recipe 'unet-m' that segments; there are"),
        ({"compare": ("tiny",)}, "expected each recipe once"),
        ({"epochs": 1.0, "steps": 2}, "expected epochs or steps"),
        ({"limit": 0}, "expected limit > 0"),
        ({"normalise": "bright"}, "no normalisation 'bright'; there are none, percentiles"),
        ({"data": "nowhere"}, "nowhere: expected a folder of images and masks"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    objects: Path, tmp_path: Path, change: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        segment(replace(Segmentation(str(objects), "tiny", tmp_path), **change))


def test_brightness_is_measured_on_the_pictures_that_train(eyes: Path, tmp_path: Path) -> None:
    images = MaskSet.open(eyes)
    run = run_of(Segmentation(str(eyes), "tiny", tmp_path, limit=2), images, "tiny")
    assert len(run.train) == 2
    means, deviations = run.train.statistics()
    scaled = task_of(run.recipe).scaling.encode(run.train.whole(0).frames)
    assert run.recipe.task.inputs == 3
    assert abs(float(scaled.mean())) < 0.2
    assert means[0] > 50 < deviations[0] + 50

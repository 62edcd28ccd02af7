from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.classification import Classification, classify
from flows.cli import app
from flows.images.runs import ImageRun, multiply_adds
from nowcast.checkpoint import load_checkpoint
from nowcast.models import build_network
from nowcast.recipes import find_recipe
from pipeline.images import ImageSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that differ in which half of the picture is bright."""
    root = tmp_path_factory.mktemp("halves")
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 12)):
        for label in ("left", "right"):
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(0, 60, (16, 16), dtype=np.uint8)
                picture[:, slice(0, 8) if label == "left" else slice(8, 16)] += 150
                Image.fromarray(picture).save(root / part / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def request_(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Classification:
    return Classification(
        str(folder),
        "lenet",
        tmp_path_factory.mktemp("out"),
        compare=("mlp",),
        size=16,
        epochs=6,
    )


@pytest.fixture(scope="module")
def classified(request_: Classification) -> dict[str, object]:
    done = classify(request_)
    return {"done": done, "scores": json.loads(done.scores.read_text())}


def test_a_plain_difference_is_learned_and_all_is_written(
    request_: Classification, classified: dict[str, object]
) -> None:
    scores = classified["scores"]
    assert isinstance(scores, dict)
    assert set(scores) == {"lenet", "mlp"}
    assert scores["lenet"]["accuracy"] > 0.9
    assert scores["lenet"]["images"] == 24
    assert scores["lenet"]["epochs"] == pytest.approx(6)
    page = (request_.out / "report.html").read_text()
    assert "lenet" in page
    assert "<html" in page
    assert "mlp" in (request_.out / "comparison.html").read_text()
    spent = re.search(r"<dt>Time spent</dt><dd>(.*?); together", page)
    assert spent is not None
    assert re.findall(r"training and evaluation|looking inside|all", spent[1]) == [
        *("training and evaluation", "looking inside")
    ]


def test_predictions_name_every_test_image_and_agree_with_the_scores(
    request_: Classification, classified: dict[str, object]
) -> None:
    scores = classified["scores"]
    assert isinstance(scores, dict)
    table = pd.read_csv(request_.out / "predictions-mlp.csv")
    assert sorted(table["index"]) == list(range(24))
    right = (table["label"] == table["predicted"]).mean()
    assert right == pytest.approx(scores["mlp"]["accuracy"])
    assert table["probability"].between(0.5, 1).all()


def test_a_second_run_in_the_same_folder_is_refused_unless_it_resumes(
    request_: Classification, classified: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="holds a run already"):
        classify(request_)
    again = classify(request_, resume=True)
    assert json.loads(again.scores.read_text())["lenet"]["accuracy"] > 0.9


def test_other_images_are_not_resumed_from(
    request_: Classification, classified: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="data of fingerprint"):
        classify(replace(request_, limit=30), resume=True)


def test_a_limit_takes_images_of_all_classes(folder: Path, tmp_path: Path) -> None:
    images = ImageSet.open(folder)
    recipe = find_recipe("lenet").for_images(2, images.channels, 16)
    run = ImageRun(images, recipe, tmp_path, limit=10)
    assert len(run.train) == 10
    assert set(run.train.split.labels) == {0, 1}


def test_a_whole_set_trains_and_the_last_weights_are_kept(folder: Path, tmp_path: Path) -> None:
    done = classify(Classification(str(folder), "mlp", tmp_path, size=16, epochs=2, whole=True))
    page = done.report.read_text()
    assert "the last weights were kept" in page
    images = ImageSet.open(folder)
    recipe = find_recipe("mlp").for_images(2, images.channels, 16)
    run = ImageRun(images, recipe, tmp_path, whole=True)
    assert len(run.train) == 80
    assert load_checkpoint(tmp_path / "runs" / "mlp" / "best.safetensors").step == 2


def test_multiply_adds_are_those_of_the_formula() -> None:
    network = build_network("mlp", 1, 10, {"size": 8, "hidden": (20,)})
    assert multiply_adds(network, (1, 8, 8)) == 64 * 20 + 20 * 10


def test_unknown_data_and_recipes_end_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found neither"):
        classify(Classification("nowhere", "lenet", tmp_path))
    with pytest.raises(ValueError, match="no recipe 'none'"):
        classify(Classification("fashion_mnist", "none", tmp_path))


@pytest.mark.parametrize(
    ("recipe", "task"),
    [("denoise-conv", "DenoiseTask"), ("unet-nuclei", "SegmentTask"), ("unet", "NowcastTask")],
)
def test_recipes_of_other_tasks_are_refused(
    folder: Path, tmp_path: Path, recipe: str, task: str
) -> None:
    sentence = f"recipe {recipe!r}: expected one that classifies images, found one of {task}; there"
    for asked in (
        Classification(str(folder), recipe, tmp_path),
        Classification(str(folder), "mlp", tmp_path, compare=(recipe,)),
    ):
        with pytest.raises(ValueError, match=sentence) as refused:
            classify(asked)
        known = str(refused.value).partition("there are ")[2]
        assert "'resnet-18'" in known
        assert "'denoise-conv'" not in known
    assert not list(tmp_path.iterdir())


def test_the_command_tells_what_it_takes() -> None:
    told = CliRunner().invoke(app, ["classify", "--help"])
    assert told.exit_code == 0
    assert "--compare" in told.output

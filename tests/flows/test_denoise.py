from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from flows.denoising import Denoised, Denoising, denoise
from flows.denoising.codes import Classifier, Realism, width_curves
from flows.denoising.data import Unlabelled, open_images, run_of
from flows.denoising.entrants import Restorer, methods_of
from flows.denoising.facts import TITLES
from flows.denoising.figures import _samples
from flows.denoising.judge import Contest, Entrant, evenly_chosen
from flows.denoising.levels import noise_to_judge, spread_levels
from flows.images.runs import train_recipe
from nowcast.checkpoint import save_checkpoint
from nowcast.denoisers import CLASSIC, PCADenoiser, pca_curve
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.report.denoise.methods import lead_of
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet
from pipeline.noise import NOISES, noise_of
from pipeline.photographs import TEST, TRAIN, VALIDATION, photographs

SIDE = 12
TINY = Recipe(
    name="tiny-conv",
    task=DenoiseTask(scaling=MinMax(0, 255)),
    network="unet",
    network_options={"widths": (8, 16)},
    batch_size=16,
    crop=SIDE,
    epochs=15,
    optimiser="adam",
    learning_rate=5e-3,
    weight_decay=0.0,
    warmup=0,
    ema=0.0,
    augment=False,
    noise={"kind": "gaussian", "level": 0.3},
)
OTHERS = (
    replace(TINY, name="tiny-range", noise={"kind": "gaussian", "level": (0.1, 0.5)}),
    replace(
        TINY,
        name="tiny-code",
        network="autoencoder",
        network_options={"size": SIDE, "widths": (4,)},
        noise={},
        epochs=20,
    ),
    replace(
        TINY,
        name="tiny-vae",
        network="vae",
        network_options={"size": SIDE, "widths": (16,), "code": 3, "beta": 0.05},
        noise={},
        epochs=5,
    ),
    replace(TINY, name="tiny-clutter", noise={"kind": "clutter", "level": 0.1}),
)


@pytest.fixture(scope="module", autouse=True)
def recipes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for recipe in (TINY, *OTHERS):
            patch.setitem(RECIPES, recipe.name, recipe)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs and bars, smooth enough to be told from noise."""
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for part, count in (("train", 60), ("test", 10)):
        for label in ("bar", "disc"):
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                y, x = rng.uniform(3, SIDE - 4, 2)
                reach = np.hypot(rows - y, columns - x) if label == "disc" else abs(rows - y)
                picture = np.where(reach < 2.5, 220, 40).astype(np.uint8)
                Image.fromarray(picture).save(root / part / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def request_(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Denoising:
    return Denoising(
        str(folder),
        "tiny-conv",
        tmp_path_factory.mktemp("out"),
        compare=("tiny-range", "tiny-code"),
        levels=(0.2, 0.3),
        judge=12,
        against=("median", "gaussian"),
    )


@pytest.fixture(scope="module")
def done(request_: Denoising) -> Denoised:
    return denoise(request_)


def _scores(done: Denoised) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(done.scores.read_text())
    return scores


def test_a_network_takes_noise_out_of_images_that_it_never_saw(done: Denoised) -> None:
    methods = _scores(done)["methods"]
    assert methods["tiny-conv"]["psnr"] > methods["nothing"]["psnr"] + 5
    assert methods["tiny-conv"]["images"] == 12
    assert methods["tiny-conv"]["epochs"] == pytest.approx(15)
    assert {"median", "gaussian", "pca", "tiny-range", "tiny-code"} < set(methods)


def test_classic_methods_are_tuned_and_judged_at_every_level(done: Denoised) -> None:
    levels = _scores(done)["levels"]
    assert all(set(held) == {"0.2", "0.3"} for held in levels.values())
    for held in levels.values():
        assert held["0.2"]["psnr"] >= held["0.3"]["psnr"] - 0.5
    unbounded = -20 * np.log10(0.2)
    assert unbounded < levels["nothing"]["0.2"]["psnr"] < unbounded + 3
    assert _scores(done)["methods"]["median"]["tuned"].startswith("size ")


def test_the_page_names_all_methods_and_how_many_images_judged_them(done: Denoised) -> None:
    page = done.report.read_text()
    for name in ("tiny-conv", "tiny-range", "tiny-code", "Median", "PCA"):
        assert name in page
    assert "same 12 of 20 test images" in page
    assert "dB on all 20 test images" in page
    spent = re.search(r"<dt>Time spent</dt><dd>training (.*?), judging (.*?); together", page)
    assert spent is not None
    assert "all" not in spent[0]


def test_a_second_run_in_the_same_folder_is_refused_unless_it_resumes(
    request_: Denoising, done: Denoised
) -> None:
    with pytest.raises(ValueError, match="holds a run already"):
        denoise(request_)
    again = denoise(replace(request_, compare=(), levels=(0.3,), against=()), resume=True)
    before = _scores(done)["methods"]["tiny-conv"]["psnr"]
    assert again.table[0]["psnr"] == pytest.approx(before)


def test_a_code_is_set_beside_principal_components_of_its_width(
    folder: Path, tmp_path: Path
) -> None:
    options = ["--data", str(folder), "--recipe", "tiny-code", "--out", str(tmp_path)]
    told = CliRunner().invoke(app, ["denoise", *options, "--judge", "20", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    scores = json.loads(Path(found["scores"]).read_text())
    assert [row["method"] for row in found["methods"]] == ["tiny-code", "pca-4"]
    assert set(scores["methods"]) == {"tiny-code", "pca-4"}
    exact = scores["widths"]["PCA"]
    assert exact["4"] == pytest.approx(scores["methods"]["pca-4"]["mse"], rel=0.05)
    assert exact["2"] > exact["4"] > exact["8"]
    assert scores["methods"]["tiny-code"]["mse"] < 2 * exact["2"]
    assert scores["noise"] is None
    page = Path(found["report"]).read_text()
    assert "PCA of width 4" in page
    assert "Map of the codes" in page
    assert "What each value of the code adds" in page


def test_images_that_a_network_draws_are_told_from_real_ones(folder: Path, tmp_path: Path) -> None:
    classifier = tmp_path / "classifier.safetensors"
    recipe = find_recipe("mlp").for_images(2, 1, SIDE)
    recipe = replace(recipe, network_options={**recipe.network_options, "hidden": (16,)})
    torch.manual_seed(0)
    save_checkpoint(classifier, recipe.build_network(), recipe, 0, {"loss": 1.0, "weight": 1.0})
    asked = Denoising(str(folder), "tiny-vae", tmp_path, classifier=classifier, judge=20)
    done = denoise(asked)
    frechet = _scores(done)["frechet"]["tiny-vae"]
    assert frechet["images"] == 20
    assert frechet["drawn"] > frechet["real"] > 0
    page = done.report.read_text()
    assert "Fréchet distance to test images" in page
    assert "Along single values of the code" in page
    with pytest.raises(ValueError, match="expected a classifier of images of 1 × 9 × 9"):
        denoise(replace(asked, size=9), resume=True)
    loader = ImageLoader(ImageSet.open(folder).split("test"), 20)
    few = Contest(loader, loader, None, (0.0,), 0.0, 16)
    found = Realism.of(few.clean(), few, loader, Classifier.read(classifier, (1, SIDE, SIDE)))
    assert (found.drawn, found.real, found.images, found.features) == (None, None, 16, 16)
    told = _samples(few.clean(), found, "").sentence
    assert "is not told: 16 images are not more than the 16 features" in told


def test_codes_and_components_are_clipped_alike_on_the_curve_by_width(folder: Path) -> None:
    images = ImageSet.open(folder)
    train, test = (ImageLoader(images.split(part), 20) for part in ("train", "test"))
    contest = Contest(test, test, None, (0.0,), 0.0, 20)

    class Bright:
        width = 4
        trained = SimpleNamespace(facts=SimpleNamespace(shown="bright"))
        denoiser = SimpleNamespace(denoise=lambda clean: torch.full_like(clean, 1000.0))

    exact, bright = width_curves([cast(Restorer, Bright())], contest, train)
    clean = contest.clean()
    assert bright.mse == (pytest.approx(float((255 - clean).square().mean()), rel=1e-5),)
    whole = train.split.read(train.indices)
    unclipped = pca_curve(whole, clean, exact.widths).tolist()
    for width, error, free in zip(exact.widths, exact.mse, unclipped, strict=True):
        made = PCADenoiser.fit(whole, width).denoise(clean).clamp(0, 255)
        assert error == pytest.approx(float((made - clean).square().mean()), rel=1e-4)
        assert error <= free * (1 + 1e-6)
    assert min(exact.mse) < min(unclipped) * 0.999


def test_noise_may_be_other_than_that_of_the_recipe(folder: Path, tmp_path: Path) -> None:
    images = open_images(str(folder), None)
    asked = Denoising(str(folder), "tiny-conv", tmp_path, noise="masking", levels=(0.4, 0.2))
    run = run_of(asked, images, "tiny-conv")
    assert run.recipe.noise == {"kind": "masking", "level": (0.2, 0.4)}
    assert noise_to_judge(asked, [run])[1] == (0.2, 0.4)
    kept = run_of(replace(asked, noise=None, levels=(0.5,)), images, "tiny-conv")
    assert kept.recipe.noise == TINY.noise
    plain = run_of(replace(asked, noise=None, levels=()), images, "tiny-range")
    assert noise_to_judge(replace(asked, noise=None, levels=()), [plain])[1] == (
        *(0.1, 0.2, 0.3, 0.4, 0.5),
    )


def test_every_noise_of_pictures_has_a_title_and_no_two_levels_crowd() -> None:
    assert set(TITLES) == {name for name, kind in NOISES.items() if not kind.radar}
    assert spread_levels([(0.05, 0.5), (0.3, 0.3)]) == {0.05, 0.16, 0.3, 0.39, 0.5}
    assert spread_levels([(0.3, 0.3)]) == {0.3}


def test_the_noise_of_an_image_is_the_same_however_many_are_judged(folder: Path) -> None:
    split = ImageSet.open(folder).split("test")
    noise = noise_of({"kind": "gaussian", "level": 0.3})

    def judged(batch: int, count: int) -> torch.Tensor:
        test, validation = ImageLoader(split, batch), ImageLoader(split, batch)
        contest = Contest(test, validation, noise, (0.3,), 0.3, count)
        held = contest.images(test, 0.3, count)
        assert torch.equal(held.clean, contest.clean())
        return held.noisy

    whole = judged(7, 20)
    assert torch.equal(judged(20, 5), whole[torch.from_numpy(evenly_chosen(20, 5))])


def test_a_slow_method_is_judged_on_some_of_the_same_images(folder: Path) -> None:
    split = ImageSet.open(folder).split("test")
    test, validation = ImageLoader(split, 20), ImageLoader(split, 20)
    noise = noise_of({"kind": "gaussian", "level": 0.3})
    contest = Contest(test, validation, noise, (0.1, 0.3), 0.3, 20)
    median = CLASSIC["median"].with_({"size": 3})
    quick = Entrant("quick", "classic", lambda _: median)
    slow = Entrant("slow", "classic", lambda _: median, slow=True)
    one, other = methods_of([quick, slow], contest.judged([quick, slow], 4), contest)
    for level in contest.levels:
        every, few = one.psnr_by_level[level], other.psnr_by_level[level]
        assert np.isfinite(every).all()
        assert np.flatnonzero(np.isfinite(few)).tolist() == contest.slow.tolist()
        np.testing.assert_allclose(few[contest.slow], every[contest.slow])
    assert other.tally is not None
    assert other.tally.images == len(contest.slow) < 20
    assert lead_of(one, other) == pytest.approx(0)


def test_images_without_labels_are_their_own_target(folder: Path, tmp_path: Path) -> None:
    loader = ImageLoader(ImageSet.open(folder).split("train"), 16)
    batches = Unlabelled(loader)
    assert [len(batch.frames) for batch in batches.stream(0, 2)] == [16, 16]
    assert all(batch.label is None for batch in batches.sweep())
    made = train_recipe(replace(TINY, noise={}, epochs=1), batches, batches, tmp_path)
    assert made.facts.epochs == pytest.approx(1)
    assert made.device == "cpu" or torch.cuda.is_available()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "nowhere"}, "found neither"),
        ({"recipe": "none"}, "no recipe 'none'"),
        ({"recipe": "lenet"}, "expected one that restores images, found one of ClassifyTask"),
        ({"recipe": "unet-nuclei"}, "expected one that restores images, found one of SegmentTask"),
        ({"recipe": "tiny-clutter"}, "expected noise of pictures, found 'clutter'"),
        ({"recipe": "tiny-code", "levels": (0.3,)}, "which has none; name it with --noise"),
        ({"noise": "masking"}, "expected a level with it, found none"),
        ({"noise": "fog", "levels": (0.3,)}, "no noise 'fog'"),
        ({"levels": (-0.1,)}, "expected a level"),
        ({"against": ("magic",)}, "no classic method 'magic'"),
        ({"classifier": Path("absent.safetensors")}, "train one with `nowcast classify`"),
        ({"compare": ("tiny-conv",)}, "expected each recipe once, found tiny-conv, tiny-conv"),
        ({"epochs": 0}, "expected epochs > 0, found 0"),
        ({"limit": -1}, "expected limit > 0, found -1"),
        ({"size": 0}, "expected size > 0, found 0"),
        ({"judge": 0}, "expected judge > 0, found 0"),
        ({"recipe": "radar-cleaner"}, r"expected stores of radar \(.zarr\) as data.*give --data"),
        ({"compare": ("radar-cleaner",)}, r"expected stores of radar \(.zarr\) as data"),
        ({"data": "mnist,a.zarr"}, r"several stores of radar \(.zarr\), found mnist and a.zarr"),
    ],
)
def test_what_cannot_be_done_ends_in_a_sentence(
    folder: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    asked = Denoising(str(folder), "tiny-conv", tmp_path)
    with pytest.raises(ValueError, match=sentence):
        denoise(replace(asked, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_one_image_is_named_with_its_count(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / "disc").mkdir(parents=True)
    shutil.copy(folder / "train" / "disc" / "0.png", tmp_path / "one" / "disc")
    with pytest.raises(ValueError, match=r"one: expected images for train.*found 1 \(.*add images"):
        denoise(Denoising(str(tmp_path / "one"), "tiny-conv", tmp_path))


def test_no_photograph_is_in_two_parts_and_each_is_cut_whole() -> None:
    images = photographs(side=50, crops=40)
    named = {part: set(images.split(part).labels) for part in ("train", "validation", "test")}
    assert [len(named[part]) for part in ("train", "validation", "test")] == [
        len(part) for part in (TRAIN, VALIDATION, TEST)
    ]
    assert sum(map(len, named.values())) == len(set.union(*named.values())) == len(images.classes)
    camera = images.split("test").read(np.arange(100))[:, 0]
    rows = camera.reshape(10, 10, 50, 50).swapaxes(1, 2).reshape(500, 500)
    whole = np.asarray(Image.open(images.path / "camera.png"))
    assert np.array_equal(rows.numpy(), whole[:500, :500])
    again = photographs(side=50, crops=40).split("train")
    assert torch.equal(images.split("train").read([0, 39]), again.read([0, 39]))


def test_squares_larger_than_a_photograph_are_refused() -> None:
    with pytest.raises(ValueError, match="take a smaller size"):
        photographs(side=600).split("train")


def test_the_command_tells_what_it_takes() -> None:
    told = CliRunner().invoke(app, ["denoise", "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    for option in ("--compare", "--noise", "--level", "--judge", "--classifier"):
        assert option in told.output

"""What settings of autoencoders do, told of networks that differ in one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flows.denoising.data import DenoiseRun
from flows.denoising.effects import TITLES, effects_of
from flows.denoising.entrants import Restorer
from flows.denoising.pairs import Side, pairs_of, sides_of
from flows.denoising.stacking import stacked_panels
from flows.images.runs import ImageRun
from nowcast.evaluation import RestorationTally
from nowcast.models import Autoencoder
from nowcast.recipes import RECIPES, Recipe
from nowcast.report.styles import Style
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask
from pipeline.images import ImageSet

SIDE = 6
OPTIONS = {
    "size": SIDE,
    "widths": (9, 4),
    "activation": "sigmoid",
    "code_activation": "sigmoid",
}
PLAIN = Recipe(
    "plain",
    DenoiseTask(scaling=MinMax(0, 255)),
    "autoencoder",
    OPTIONS,
    batch_size=8,
    crop=SIDE,
    epochs=2,
    optimiser="adam",
    learning_rate=0.02,
    warmup=0,
    ema=0.0,
    augment=False,
    precision="32-true",
)
ALL = (
    PLAIN,
    replace(PLAIN, name="stacked", greedy_epochs=1, epochs=1),
    replace(PLAIN, name="tied", network_options={**OPTIONS, "tied": True}),
    replace(PLAIN, name="sparse", network_options={**OPTIONS, "sparsity": "kl"}),
    replace(PLAIN, name="contractive", network_options={**OPTIONS, "contraction": 0.1}),
    replace(PLAIN, name="narrow", network_options={**OPTIONS, "widths": (9, 3), "tied": True}),
    replace(PLAIN, name="maps", network="unet", network_options={"widths": (4, 8)}),
)
Runs = tuple[list[DenoiseRun], list[Restorer], torch.Tensor]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root = tmp_path_factory.mktemp("bars")
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 8)):
        for label in ("level", "upright"):
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                picture = np.full((SIDE, SIDE), 30) + rng.integers(0, 20, (SIDE, SIDE))
                picture[rng.integers(SIDE)] += 150
                picture = picture.T if label == "upright" else picture
                name = root / part / label / f"{number}.png"
                Image.fromarray(picture.astype(np.uint8)).save(name)
    return ImageSet.open(str(root))


@pytest.fixture(scope="module")
def trained(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    out = tmp_path_factory.mktemp("runs")
    runs = [DenoiseRun(ImageRun(images, recipe, out / recipe.name), None) for recipe in ALL]
    restorers = [Restorer.of(run.trained(False, None), (1, SIDE, SIDE)) for run in runs]
    test = runs[0].images.test
    return runs, restorers, torch.cat([batch.frames for batch in test.sweep()])


def sides(trained: Runs, *names: str) -> list[Side]:
    return [side for side in sides_of(*trained) if not names or side.name in names]


def test_pairs_differ_in_one_setting_alone(trained: Runs) -> None:
    assert [side.name for side in sides(trained)] == [recipe.name for recipe in ALL[:-1]]
    pairs = pairs_of(sides(trained))
    found = {name: (pair.with_it.name, pair.without.name) for name, pair in pairs.items()}
    assert found == {name: (name, "plain") for name in TITLES}
    assert not pairs_of(sides(trained, "plain", "narrow"))
    assert not pairs_of(sides(trained, "tied", "sparse"))


@pytest.mark.parametrize("change", [{"learning_rate": 0.01}, {"epochs": 3}, {"seed": 1}])
def test_what_was_trained_by_another_recipe_is_no_pair(
    trained: Runs, change: dict[str, Any]
) -> None:
    plain, tied = sides(trained, "plain", "tied")
    other = replace(tied.run.images, recipe=replace(tied.run.recipe, **change))
    assert pairs_of([plain, tied])
    assert not pairs_of([plain, replace(tied, run=replace(tied.run, images=other))])


def test_errors_are_those_of_the_test_images(trained: Runs) -> None:
    (one,) = sides(trained, "sparse")
    tally = RestorationTally()
    tally.update(one.restorer.denoiser.denoise(one.clean), one.clean)
    assert len(one.errors) == 16
    assert float(one.errors.mean()) == pytest.approx(tally.mse(), rel=1e-4)


def test_every_setting_is_told_with_it_and_without(trained: Runs) -> None:
    style = Style("plain", "plain", "#123456", "cross")
    effects = effects_of(*trained, {"plain": style})
    told = {group.title: group for group in effects.charts}
    assert set(told) == set(TITLES.values())
    for group in effects.charts:
        assert "Mean squared error of 16 test images, pixels 0 to 255: " in group.note
        assert "95 % interval of these two trainings" in group.note
        assert len(group.charts) > 1
        assert style in group.key
        assert "nan" not in group.note
    stacked = told[TITLES["stacked"]].note
    assert "stacked trained its 2 layers" in stacked
    assert "in 2 passes together, and then the whole in 1; plain trained the whole in 2" in stacked
    weights = 36 * 9 + 9 * 4
    one, other = (f"{n * weights + 9 + 4 + 9 + 36:,}".replace(",", "\u202f") for n in (1, 2))
    assert f"Parameters: {one} with it, {other} without" in told[TITLES["tied"]].note
    assert len(effects.figures) == 2


def test_losses_of_layers_need_their_logs(trained: Runs, tmp_path: Path) -> None:
    pair = pairs_of(sides(trained, "plain", "stacked"))["stacked"]
    run = pair.with_it.run
    moved = replace(run, images=replace(run.images, folder=tmp_path))
    bare = replace(pair, with_it=replace(pair.with_it, run=moved))
    with pytest.raises(ValueError, match="layer-1: expected the log of a training, found none"):
        stacked_panels(bare)


def test_networks_without_a_pair_tell_nothing(trained: Runs) -> None:
    runs, restorers, clean = trained
    assert effects_of(runs[:1], restorers[:1], clean).charts == ()
    assert effects_of(runs[-1:], restorers[-1:], clean).charts == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ae-stacked", "ae-deep"),
        ("ae-tied", "ae-dense"),
        ("ae-sparse", "ae-plain"),
        ("ae-contractive", "ae-plain"),
    ],
)
def test_recipes_with_a_setting_have_one_without(one: str, other: str) -> None:
    first, second = RECIPES[one], RECIPES[other]
    more = set(first.network_options.items()) ^ set(second.network_options.items())
    settings = {"tied", "sparsity", "sparsity_weight", "contraction"}
    assert {name for name, _ in more} <= settings
    assert bool(more) != bool(first.greedy_epochs)
    assert first.learning_rate == second.learning_rate
    assert first.epochs is not None
    network = first.build_network()
    assert isinstance(network, Autoencoder)
    assert first.epochs + len(network.widths) * first.greedy_epochs == second.epochs

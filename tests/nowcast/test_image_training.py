"""Recipes of images in the training loop: optimisers, schedules, freezing, early ends, logs."""

import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from nowcast.checkpoint import load_checkpoint
from nowcast.models import MODELS
from nowcast.optimisers import OPTIMISERS, SCHEDULES, make_optimiser
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.recipes.denoising import DENOISING
from nowcast.recipes.images import IMAGES
from nowcast.recipes.segmentation import SEGMENTATION
from nowcast.tasks import ClassifyTask, DenoiseTask, NowcastTask, SegmentTask
from nowcast.training import BEST, LAST, METRICS, fit, learning_curve, read_metrics
from nowcast.training.weights import (
    Freezing,
    learning_rate,
    optimiser_of,
    total_norm,
    weight_groups,
)
from pipeline.batch import Batch


@dataclass(frozen=True)
class Stripes:
    """Images of two kinds of stripes; the same batch always, or one by its number."""

    size: int = 6
    soft: bool = False
    steps_per_epoch: int = 3

    def batch(self, n: int) -> Batch:
        generator = torch.Generator().manual_seed(n)
        kind = torch.arange(self.size) % 2
        wave = 100 + 100 * torch.sin(torch.arange(12.0))[None, :, None].expand(self.size, 12, 12)
        image = torch.where(kind[:, None, None] == 1, wave, wave.transpose(1, 2))
        noise = 40 * torch.rand(self.size, 12, 12, generator=generator)
        label = torch.nn.functional.one_hot(kind, 2).float() if self.soft else kind
        return Batch((image + noise)[:, None], label)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        return map(self.batch, range(start, stop))

    def sweep(self) -> Iterator[Batch]:
        return map(self.batch, (1000, 1001))


SMALL = replace(
    find_recipe("vgg-small"),
    name="small",
    task=ClassifyTask(2, scaling=find_recipe("vgg-small").task.scaling),
    network="convnet",
    network_options={"widths": (4, 6), "norm": "batch"},
    batch_size=6,
    crop=12,
    epochs=3,
    precision="32-true",
)
STILL = replace(SMALL, learning_rate=1e-12, patience=2, best_by="accuracy", epochs=9)


def cpu() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def run(recipe: Recipe, folder: Path, batches: Stripes | None = None, **options: object) -> Path:
    batches = batches or Stripes()
    return fit(recipe, batches, batches, folder, cpu(), **options)


def stop_after(last: int) -> object:
    def stop(step: int, _: object) -> None:
        if step == last:
            os.kill(os.getpid(), signal.SIGTERM)

    return stop


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_learns(name: str, tmp_path: Path) -> None:
    rate = {"adamw": 1e-2, "adam": 1e-2, "sgd": 0.1, "rmsprop": 1e-2, "adagrad": 3e-2}[name]
    recipe = replace(SMALL, optimiser=name, learning_rate=rate, epochs=8)
    run(recipe, tmp_path)
    curve = learning_curve(tmp_path / METRICS)
    assert curve[-1].train_loss < 0.7 * curve[0].train_loss


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_is_pytorchs(name: str) -> None:
    kind, rate = OPTIMISERS[name], 0.01
    found, expected = (torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    more = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    more |= {"nesterov": True} if name == "sgd" else {}
    ours = make_optimiser(
        name, [{"params": [found]}], rate, weight_decay=0.1, momentum=0.9, nesterov=name == "sgd"
    )
    theirs = kind([expected], lr=rate, weight_decay=0.1, **more)
    for optimiser, weights in ((ours, found), (theirs, expected)):
        for _ in range(3):
            optimiser.zero_grad()
            (weights**3).sum().backward()
            optimiser.step()
    torch.testing.assert_close(found, expected)


def test_schedules_fall_as_they_are_called() -> None:
    rates = {}
    for name in SCHEDULES:
        recipe = replace(SMALL, schedule=name, steps=100, warmup=20, learning_rate=2.0)
        rates[name] = [learning_rate(recipe, step) for step in range(100)]
        assert rates[name][:20] == pytest.approx([0.1 * k for k in range(1, 21)])
    middle = {name: rate[60] for name, rate in rates.items()}
    assert middle == pytest.approx({"cosine": 1.0, "linear": 1.0, "constant": 2.0, "step": 0.2})
    assert (rates["step"][59], rates["step"][80]) == pytest.approx((2.0, 0.02))


def test_epochs_become_steps_with_a_validation_after_each() -> None:
    recipe = replace(SMALL, epochs=2.5, warmup=600)
    told = recipe.for_data(40)
    assert (told.steps, told.validate_every, told.warmup) == (100, 40, 25)
    assert told.for_data(40) == told
    counted = replace(recipe, epochs=None, steps=7)
    assert counted.for_data(40) == counted
    with pytest.raises(ValueError, match="'small': expected at least 1 step an epoch, found 0"):
        recipe.for_data(0)


def test_the_log_holds_a_curve_by_epoch(tmp_path: Path) -> None:
    run(SMALL, tmp_path)
    lines = read_metrics(tmp_path / METRICS)
    steps = [line for line in lines if "loss" in line]
    curve = learning_curve(tmp_path / METRICS)
    assert [(point.step, point.epoch) for point in curve] == [(3, 1), (6, 2), (9, 3)]
    for k, point in enumerate(curve):
        epoch = steps[3 * k : 3 * k + 3]
        for name in ("loss", "accuracy"):
            mean = sum(line[name] for line in epoch) / 3
            assert getattr(point, f"train_{name}") == pytest.approx(mean)
        assert point.learning_rate == 0.01
    best = load_checkpoint(tmp_path / BEST)
    assert best.scores["labelled"] == 12
    assert min(point.validation_loss for point in curve) == pytest.approx(
        best.scores["loss"] / best.scores["weight"]
    )


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_cut_epoch_ends_where_a_whole_one_does(dropout: float, tmp_path: Path) -> None:
    options = {"size": 12, "stages": ((4,),), "hidden": (8,), "dropout": dropout}
    recipe = replace(SMALL, network="vgg-small", network_options=options, ema=dropout)
    whole = run(recipe, tmp_path / "whole")
    with pytest.raises(SystemExit):
        run(recipe, tmp_path / "cut", progress=stop_after(5))
    again = run(recipe, tmp_path / "cut", resume=True)
    assert whole.read_bytes() == again.read_bytes()
    assert learning_curve(whole.parent / METRICS) == learning_curve(again.parent / METRICS)


def test_training_leaves_the_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    run(SMALL, tmp_path)
    assert torch.equal(torch.rand(2), expected)


def test_patience_ends_a_run_that_gets_no_better_and_keeps_it_ended(tmp_path: Path) -> None:
    run(STILL, tmp_path)
    lines = read_metrics(tmp_path / METRICS)
    assert lines[-1] == {"step": 9, "stopped": "no better validation for 2 times"}
    assert load_checkpoint(tmp_path / BEST).step == 3
    run(STILL, tmp_path, resume=True)
    assert read_metrics(tmp_path / METRICS) == lines


def test_without_an_average_the_best_weights_are_the_trained_ones(tmp_path: Path) -> None:
    best = load_checkpoint(run(replace(SMALL, epochs=1), tmp_path)).network.state_dict()
    state = torch.load(tmp_path / LAST, weights_only=True)
    torch.testing.assert_close(dict(best), dict(state["network"]))


def test_frozen_modules_stay_norms_and_all_until_they_are_let_go(tmp_path: Path) -> None:
    recipe = replace(SMALL, epochs=4, freeze=("levels.0",), unfreeze={"levels.1": 0.5})
    first = {name: weight.clone() for name, weight in start_of(recipe).items()}
    with pytest.raises(SystemExit):
        run(recipe, tmp_path, progress=stop_after(6))
    assert changed(first, tmp_path) == {"head"}
    run(recipe, tmp_path, resume=True)
    assert changed(first, tmp_path) == {"head", "levels.1"}


def start_of(recipe: Recipe) -> dict[str, torch.Tensor]:
    torch.manual_seed(recipe.seed)
    return recipe.build_network().state_dict()


def changed(first: dict[str, torch.Tensor], folder: Path) -> set[str]:
    state = torch.load(folder / LAST, weights_only=True)["network"]
    moved = [name for name in first if not torch.equal(first[name], state[name])]
    return {".".join(name.split(".")[: 2 if "levels" in name else 1]) for name in moved}


def test_freezing_shared_by_processes_drops_what_does_not_learn_yet() -> None:
    recipe = replace(SMALL, steps=10, freeze=("levels.0",), unfreeze={"levels.1": 0.5})
    network = recipe.build_network()
    freezing = Freezing.of(recipe, network)
    freezing.apply(network.train(), 4, shared=True)
    network(torch.randn(4, 1, 12, 12)).sum().backward()
    freezing.forget(network, 4)
    learning = {name for name, weight in network.named_parameters() if weight.grad is not None}
    assert learning == {"head.weight", "head.bias"}
    assert all(weight.requires_grad for weight in network.levels[1].parameters())
    assert not network.levels[1][1].training
    freezing.apply(network.train(), 5, shared=True)
    assert network.levels[1][1].training
    assert not network.levels[0][1].training


def test_what_is_not_there_cannot_be_frozen_nor_all_of_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"to freeze, found 'level'; it has \['head', 'levels'\]"):
        run(replace(SMALL, freeze=("level",)), tmp_path)
    with pytest.raises(ValueError, match="every weight is frozen; leave some to learn"):
        run(replace(SMALL, freeze=("levels", "head")), tmp_path)


def test_layers_far_from_the_output_learn_more_slowly(tmp_path: Path) -> None:
    network = SMALL.build_network()
    groups = weight_groups(network, 0.5)
    assert [group["scale"] for group in groups] == [0.25, 0.5, 1.0]
    assert {id(w) for g in groups for w in g["params"]} == {id(w) for w in network.parameters()}
    assert [group["scale"] for group in weight_groups(network, 1.0)] == [1.0]
    rates = []
    recipe = replace(SMALL, layer_decay=0.5, epochs=1)
    run(recipe, tmp_path, progress=lambda step, line: rates.append(line["learning_rate"]))
    state = torch.load(tmp_path / LAST, weights_only=True)["optimizer"]
    assert [group["lr"] for group in state["param_groups"]] == [0.0025, 0.005, 0.01]
    assert set(rates) == {0.01}


def test_a_run_begins_with_pretrained_weights_but_its_own_head(tmp_path: Path) -> None:
    teacher = run(replace(SMALL, epochs=1), tmp_path / "first")
    recipe = replace(SMALL, pretrained=str(teacher), freeze=("levels",), seed=5)
    best = load_checkpoint(run(recipe, tmp_path / "second")).network.state_dict()
    known = load_checkpoint(teacher).network.state_dict()
    assert all(torch.equal(best[name], known[name]) for name in known if "levels" in name)
    assert not torch.equal(best["head.weight"], known["head.weight"])
    teacher.unlink()
    run(recipe, tmp_path / "second", resume=True)


def test_a_gradient_is_clipped_only_where_it_is_asked_for() -> None:
    gradients = [torch.randn(3, 4), torch.randn(5)]
    expected = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    torch.testing.assert_close(total_norm(gradients), expected)
    assert total_norm([]) == 0
    assert replace(SMALL, clip=math.inf) == SMALL


def test_soft_labels_train_as_their_classes_do(tmp_path: Path) -> None:
    run(SMALL, tmp_path / "classes")
    run(SMALL, tmp_path / "shares", Stripes(soft=True))
    curves = [learning_curve(tmp_path / name / METRICS) for name in ("classes", "shares")]
    for one, other in zip(*curves, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert one.validation_accuracy == other.validation_accuracy


def test_an_older_recipe_comes_back_with_the_defaults() -> None:
    recipe = find_recipe("unet")
    entries = json.loads(recipe.to_json())
    newer = ("epochs", "optimiser", "momentum", "nesterov", "schedule", "patience", "best_by",
             "augmentation", "freeze", "unfreeze", "layer_decay", "pretrained")  # fmt: skip
    for name in newer:
        del entries[name]
    assert Recipe.from_json(json.dumps(entries)) == recipe


def test_an_older_state_goes_on(tmp_path: Path) -> None:
    recipe = replace(SMALL, ema=0.5, optimiser="adamw")
    whole = run(recipe, tmp_path / "whole")
    with pytest.raises(SystemExit):
        run(recipe, tmp_path / "cut", progress=stop_after(3))
    state = torch.load(tmp_path / "cut" / LAST, weights_only=True)
    del state["stale"], state["sums"]
    for group in state["optimizer"]["param_groups"]:
        del group["scale"]
        group["fused"] = None
    torch.save(state, tmp_path / "cut" / LAST)
    assert run(recipe, tmp_path / "cut", resume=True).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", [r.name for r in (*IMAGES, *DENOISING, *SEGMENTATION)])
def test_every_image_recipe_fits_other_images(name: str) -> None:
    recipe = RECIPES[name].for_images(2, 3, 96)
    task, side = recipe.task, 380 if name == "unet-paper" else 96
    with torch.device("meta"):
        network = recipe.build_network()
        answer = network(torch.zeros(2, 3, side, side)).shape
        Freezing.of(recipe, network)
        optimiser_of(recipe, network)
    assert answer[:2] == (2, task.outputs)
    assert len(answer) == (2 if type(task) is ClassifyTask else 4)
    assert (task.channels, recipe.crop) == (3, 96)
    assert isinstance(task, DenoiseTask) or task.classes == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": "lion"}, r"no optimiser 'lion'; the table holds \['adagrad'"),
        ({"schedule": "saw"}, r"no schedule 'saw'; the table holds \['constant'"),
        ({"epochs": 0}, "expected epochs > 0, found 0"),
        ({"clip": 0}, "expected clip > 0, found 0"),
        ({"momentum": 1.0}, "expected 0 <= momentum < 1, found 1"),
        ({"layer_decay": 0}, "expected 0 < layer_decay <= 1, found 0"),
        ({"unfreeze": {"head": 2}}, "expected 0 < head <= 1, found 2"),
        ({"patience": -1}, "expected patience >= 0, found -1"),
        ({"nesterov": True}, "expected optimiser 'sgd' and momentum > 0 for nesterov, found 'ada"),
        ({"best_by": "auc"}, "expected best_by 'loss', 'last', or 'accuracy' of a task"),
        ({"best_by": "accuracy", "task": DenoiseTask()}, "found 'accuracy'"),
    ],
)
def test_nonsense_in_a_recipe_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def test_only_tasks_of_images_are_fitted_to_images() -> None:
    with pytest.raises(ValueError, match="expected a task of images, found NowcastTask"):
        replace(SMALL, task=NowcastTask(), network="unet").for_images(2, 1)
    assert replace(SMALL, task=SegmentTask()).for_images(3, 1).task == SegmentTask(3, 1)
    assert replace(SMALL, task=DenoiseTask()).for_images(3, 2).task == DenoiseTask(2)


class Squared(nn.Module):
    """Answers its inputs times a weight; its penalty is that weight's square."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        assert inputs == outputs
        self.factor = nn.Parameter(torch.tensor(1.0))
        self.penalty: torch.Tensor | None = None

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.penalty = self.factor**2
        return frames * self.factor


def test_a_penalty_of_the_network_is_descended_beside_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "squared", Squared)
    recipe = replace(
        SMALL,
        task=DenoiseTask(),
        network="squared",
        network_options={},
        optimiser="sgd",
        schedule="constant",
        warmup=0,
        weight_decay=0.0,
        clip=None,
        ema=0.0,
        learning_rate=0.1,
        steps=200,
        validate_every=200,
    )
    ones = Ones()
    best = fit(recipe, ones, ones, tmp_path, Fabric(accelerator="cpu", devices=1))
    factor = load_checkpoint(best).network.factor.item()
    assert factor == pytest.approx(0.5, abs=1e-3)
    sums = read_metrics(tmp_path / METRICS)[-1]["validation"]
    assert sums["penalty"] / sums["weight"] == pytest.approx(0.25, abs=1e-3)


class Ones:
    """Images of nothing but 1."""

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        return (Batch(torch.ones(2, 1, 4, 4)) for _ in range(start, stop))

    def sweep(self) -> Iterator[Batch]:
        return self.stream(0, 1)


def test_unknown_names_are_refused_by_the_tables() -> None:
    with pytest.raises(ValueError, match="no optimiser 'lion'; the table holds"):
        make_optimiser("lion", [], 0.1)

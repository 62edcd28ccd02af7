"""Stacks that are trained layer by layer before the whole."""

import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from stacked_samples import STACK, Pictures

from nowcast.checkpoint import load_checkpoint
from nowcast.recipes import Recipe
from nowcast.training import LAST, METRICS, make_fabric, read_metrics
from nowcast.training.greedy import STACKED, fit_greedily

pytestmark = pytest.mark.filterwarnings("ignore:.*of persistence's")


def train_stack(folder: Path, *, cut: tuple[str, int] | None = None, resume: bool = False) -> Path:
    """The best weights of a stack; asked to stop after a step of one of its runs."""

    def stop(step: int, _: object) -> None:
        if cut and (folder / cut[0] / METRICS).exists() and step == cut[1]:
            signal.raise_signal(signal.SIGTERM)

    fabric = make_fabric(STACK, "cpu")
    return fit_greedily(STACK, Pictures(), Pictures(), folder, fabric, resume, stop)


def test_each_layer_is_trained_on_the_codes_before_it_and_the_whole_begins_with_all(
    tmp_path: Path,
) -> None:
    best = train_stack(tmp_path)
    layers = [load_checkpoint(tmp_path / f"layer-{n}" / best.name) for n in (1, 2, 3)]
    shapes = [layer.network.encoder[0].weight.shape for layer in layers]
    assert shapes == [(9, 16), (6, 9), (3, 6)]
    assert [layer.recipe.name for layer in layers] == [
        "stack-layer-1",
        "stack-layer-2",
        "stack-layer-3",
    ]
    stacked = STACK.build_network()
    stacked.load_state_dict(load_file(tmp_path / STACKED))
    frames = torch.rand(4, 1, 4, 4)
    code = frames
    for layer in layers:
        code = layer.network.encode(code)[:, :, None, None]
    torch.testing.assert_close(stacked.encode(frames), code.flatten(1))
    images = code
    for layer in reversed(layers):
        images = layer.network.decode(images.flatten(1))
    torch.testing.assert_close(stacked.decode(code.flatten(1)), images)
    assert load_checkpoint(best).step > 0
    first = next(line for line in read_metrics(tmp_path / METRICS) if "loss" in line)["loss"]
    assert first < 0.5 * first_loss_of_untrained()


def first_loss_of_untrained() -> float:
    network, batch = STACK.build_network(), Pictures().batch(0)
    example = STACK.task.pose(batch)
    return float(STACK.task.loss(network(example.inputs), example).detach())


@pytest.mark.parametrize("cut", [("layer-3", 12), (".", 4)])
def test_a_folder_may_move_between_the_layers_and_the_whole_and_within_it(
    cut: tuple[str, int], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with suppress(SystemExit):
        train_stack(here, cut=cut)
        pytest.fail("was not cut")
    assert (here / METRICS).exists() == (cut[0] == ".")
    here.rename(there)
    moved = load_checkpoint(train_stack(there, resume=True))
    assert moved.recipe == STACK.for_data(Pictures.steps_per_epoch)
    assert not here.exists()
    whole = load_checkpoint(train_stack(tmp_path / "whole"))
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, moved.network.state_dict()[name])


@pytest.mark.parametrize("cut", [("layer-1", 2), ("layer-2", 1), ("layer-3", 3), (".", 4)])
def test_a_stack_cut_anywhere_goes_on_to_the_same_end(cut: tuple[str, int], tmp_path: Path) -> None:
    whole = load_checkpoint(train_stack(tmp_path / "whole"))
    part = tmp_path / "part"
    with suppress(SystemExit):
        train_stack(part, cut=cut)
        pytest.fail("was not cut")
    resumed = load_checkpoint(train_stack(part, resume=True))
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])


def test_a_stack_is_refused_where_there_is_a_run_or_no_layers(tmp_path: Path) -> None:
    fabric = make_fabric(STACK, "cpu")

    def train(recipe: Recipe, folder: Path = tmp_path) -> None:
        fit_greedily(recipe, Pictures(), Pictures(), folder, fabric)

    with pytest.raises(ValueError, match="expected network 'autoencoder' to train layer by layer"):
        train(replace(STACK, network="vae", network_options={"size": 4}))
    with pytest.raises(ValueError, match="expected no pretrained weights to train layer by layer"):
        train(replace(STACK, pretrained="weights.pth"))
    assert not list(tmp_path.iterdir())
    train(replace(STACK, greedy_epochs=0, epochs=1))
    assert (tmp_path / LAST).exists()
    assert not (tmp_path / STACKED).exists()
    with pytest.raises(ValueError, match="holds a run already; resume it or take another folder"):
        train(STACK)

"""Autoencoders: their contracts, their training, and what is shown of their codes."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stacked_samples import STACK, Pictures
from torch import Tensor

from nowcast.checkpoint import load_checkpoint
from nowcast.explain.codes import (
    jacobian_spectrum,
)
from nowcast.models import MODELS, Autoencoder, EncoderDecoder, UNet, build_network
from nowcast.models.upsampling import UPSAMPLINGS, make_rise
from nowcast.recipes import Recipe
from nowcast.recipes.denoising import DENOISING
from nowcast.training import METRICS, fit, make_fabric, read_metrics

pytestmark = pytest.mark.filterwarnings("ignore:.*of persistence's")

CODED = [name for name, kind in MODELS.items() if issubclass(kind, EncoderDecoder)]
RECIPES = {recipe.name: recipe for recipe in DENOISING}


def network_of(name: str, **options: object) -> Any:
    torch.manual_seed(0)
    return build_network(name, 1, 1, options).eval()


@pytest.mark.parametrize("name", CODED)
def test_an_answer_is_the_image_of_a_code(name: str) -> None:
    network = network_of(name, size=13)
    frames = torch.rand(3, 1, 13, 13)
    code = network.encode(frames)
    assert code.shape == (3, network.code if name == "vae" else 32)
    torch.testing.assert_close(network(frames), network.decode(code))
    assert len(copy.deepcopy(network).state_dict()) == len(network.state_dict())


@pytest.mark.parametrize("down", ["max", "average", "stride"])
@pytest.mark.parametrize("up", UPSAMPLINGS)
def test_a_convolutional_one_without_a_dense_code_takes_any_size(down: str, up: str) -> None:
    options = {"widths": (4, 6), "code": None, "depth": 2, "down": down, "up": up}
    network = network_of("autoencoder-conv", **options)
    frames = torch.rand(2, 1, 13, 22)
    assert network.encode(frames).shape == (2, 6, 4, 6)
    assert network.decode(network.encode(frames)).shape == (2, 1, 16, 24)
    assert network(frames).shape == frames.shape


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("up", UPSAMPLINGS)
def test_every_upsampling_doubles_the_grid(up: str, kernel: int) -> None:
    rise = make_rise(up, 3, 2, kernel=kernel)
    assert rise(torch.rand(2, 3, 5, 7)).shape == (2, 2, 10, 14)


def test_a_residual_unet_changes_its_input_and_without_weights_leaves_it() -> None:
    frames = torch.rand(2, 1, 13, 9)
    network = UNet(1, 1, widths=(4, 6), residual=True, zero_output=True)
    assert torch.equal(network(frames), frames)
    (network(frames) - 1).square().mean().backward()
    assert network.head.weight.grad.any()
    inner = UNet(
        1,
        1,
        widths=(4, 6),
        residual=True,
        zero_output=True,
        padding=False,
        upsampling="transposed",
        norm="none",
    )
    wide = torch.rand(1, 1, *[inner.input_side(4)] * 2)
    edge = inner.margin
    assert torch.equal(inner(wide), wide[..., edge:-edge, edge:-edge])
    with pytest.raises(
        ValueError, match=r"as many channels out as in for a residual .* 3 in and 1"
    ):
        UNet(3, 1, residual=True)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("autoencoder", {"widths": ()}, "expected at least one width, found none"),
        ("autoencoder", {"sparsity": "l0"}, r"no sparsity 'l0'; there are \['none', 'l1', 'kl'\]"),
        ("autoencoder", {"sparsity": "kl"}, "expected code_activation 'sigmoid' for .*'linear'"),
        ("autoencoder", {"sparsity_target": 1.0}, "expected 0 < sparsity_target < 1, found 1.0"),
        ("autoencoder", {"output": "step"}, "no activation 'step'; there are"),
        ("autoencoder-conv", {"down": "min"}, r"no downsampling 'min'; there are \['max'"),
        ("autoencoder-conv", {"up": "cubic"}, r"no upsampling 'cubic'; there are \['nearest'"),
        ("vae", {"body": "graph"}, r"expected a body of \['dense', 'conv'\].* found 'graph'"),
        ("vae", {"body": "conv", "widths": ()}, r"the latter with widths, found 'conv' with \(\)"),
    ],
)
def test_nonsense_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_network(name, 1, 1, options)


def test_tied_images_have_as_many_channels_out_as_in() -> None:
    with pytest.raises(ValueError, match="for tied weights, found 3 in and 1 out"):
        Autoencoder(3, 1, tied=True)


def test_penalties_are_asked_for_and_are_those_of_an_image_by_its_numbers() -> None:
    frames = torch.rand(5, 1, 4, 4)
    plain = network_of("autoencoder", size=4)
    plain(frames)
    assert plain.penalty is None
    sparse = network_of("autoencoder", size=4, sparsity="l1", sparsity_weight=0.5)
    sparse(frames)
    expected = 0.5 * sparse.encode(frames).abs().sum(1).mean() / 16
    torch.testing.assert_close(sparse.penalty, expected)
    one = network_of("autoencoder", size=4, widths=(3,), code_activation="tanh", contraction=2.0)
    one(frames)
    squared = jacobian_squares(one, frames)
    torch.testing.assert_close(one.penalty, 2 * squared / 16)
    torch.testing.assert_close(
        jacobian_spectrum(one, frames[:1]).square().sum(),
        jacobian_squares(one, frames[:1]).detach(),
    )
    deep = network_of("autoencoder", size=4, contraction=2.0)
    deep(frames)
    assert deep.penalty is not None
    assert copy.deepcopy(deep).penalty is None
    with torch.no_grad():
        deep(frames)
    assert deep.penalty is None


def jacobian_squares(network: Any, frames: Tensor) -> Tensor:
    slopes = torch.autograd.functional.jacobian(lambda x: network.encode(x).sum(0), frames)
    return slopes.square().sum((0, 2, 3, 4)).mean()


@pytest.mark.parametrize(
    "options",
    [
        {"code_activation": "sigmoid", "sparsity": "kl", "sparsity_weight": 3.0},
        {"widths": (9,), "code_activation": "sigmoid", "contraction": 3.0},
        {"sparsity": "l1", "sparsity_weight": 3.0},
    ],
)
def test_a_penalty_is_logged_and_makes_the_code_what_it_asks_for(
    options: dict[str, object], tmp_path: Path
) -> None:
    recipe = replace(
        STACK,
        network_options={**STACK.network_options, **options},
        epochs=20,
        greedy_epochs=0,
        learning_rate=0.02,
    )
    free = {
        k: v
        for k, v in recipe.network_options.items()
        if not k.startswith("sparsity") and k != "contraction"
    }
    penalties = []
    for name, chosen in {"with": recipe, "without": replace(recipe, network_options=free)}.items():
        best = fit(chosen, Pictures(), Pictures(), tmp_path / name, make_fabric(chosen, "cpu"))
        network = build_network("autoencoder", 1, 1, recipe.network_options)
        network.load_state_dict(load_checkpoint(best).network.state_dict())
        network(chosen.task.pose(Pictures().batch(5)).inputs)
        penalties.append(float(network.penalty.detach()))
    assert penalties[0] < 0.7 * penalties[1]
    lines = read_metrics(tmp_path / "with" / METRICS)
    assert all(line["validation"]["penalty"] > 0 for line in lines if "validation" in line)


def test_a_variational_one_draws_its_code_in_training_alone() -> None:
    network = network_of("vae", size=4, code=2)
    frames = torch.rand(3, 1, 4, 4)
    assert torch.equal(network(frames), network(frames))
    network.train()
    assert not torch.equal(network(frames), network(frames))
    assert torch.equal(network.encode(frames), network.encode(frames))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_kept_as_text_and_fits_other_images(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.from_json(recipe.to_json()) == recipe
    network = recipe.for_images(10, 3, 16).build_network()
    assert network.eval()(torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)
    if recipe.greedy_epochs:
        assert isinstance(network, Autoencoder)

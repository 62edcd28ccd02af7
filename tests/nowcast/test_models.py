"""Contracts of every network in the table."""

import inspect
import itertools

import pytest
import torch

from nowcast.models import MODELS, UNet, build_network, check_options
from nowcast.models.blocks import NORMS
from nowcast.models.convlstm import ConvLSTMCell
from nowcast.models.upsampling import UPSAMPLINGS

SMALL = {
    "unet": {"widths": (4, 6, 8), "norm": "group"},
    "fcn": {"depth": 11, "widths": (4, 4, 6, 6, 8), "pool": 3, "hidden": (16, 16)},
    "window": {"side": 23, "width": 4, "hidden": (6,)},
    "convlstm": {"widths": (4, 6), "norm": "group"},
    "convnet": {"widths": (4, 6), "norm": "group"},
    "mlp": {"hidden": (8, 6)},
    "lenet": {},
    "cnn": {"stages": ((4, 6), (8,)), "hidden": (16,)},
    "vgg-small": {"stages": ((4, 6), (6, 8)), "hidden": (16,)},
    "alexnet": {"first": (3, 1, 1), "widths": (4, 6, 8, 8, 8), "pool": 2, "hidden": (32, 32)},
    "vgg": {"depth": 11, "widths": (4, 4, 6, 6, 8), "pool": 2, "hidden": (32, 32)},
    "googlenet": {"width": 0.1},
    "resnet": {"width": 4},
    "resnet-cifar": {"depth": 8, "width": 4},
    "resnet-wide": {"depth": 10, "width": 1},
    "efficientnet-b0": {"width": 0.25},
    "vit": {"patch": 5, "width": 8, "depth": 2, "heads": 2, "hidden": 16},
    "autoencoder": {"widths": (8, 6)},
    "autoencoder-conv": {"widths": (4, 6), "code": 5},
    "vae": {"widths": (8,), "code": 3},
}
OTHERS = {
    "unet": [{"dropout": 0.3}],
    "fcn": [{"stride": 16}, {"stride": 32, "dropout": 0.0}, {"pool": 1, "hidden": ()}],
    "window": [{"side": 33, "hidden": ()}],
    "mlp": [{"hidden": ()}, {"activation": "gelu", "dropout": 0.2}],
    "lenet": [{"padding": 0}, {"activation": "relu", "pooling": "max"}],
    "cnn": [{"hidden": ()}, {"activation": "silu"}],
    "vgg-small": [{"hidden": (8, 8), "dropout": 0.2}],
    "alexnet": [{"first": (11, 4, 2)}, *({"without": w} for w in [(3, 4), (6, 7), (3, 4, 6, 7)])],
    "vgg": [{"depth": 19}, {"pool": 1, "hidden": ()}],
    "googlenet": [{"kernel": 5}],
    "resnet": [{"depth": 34, "plain": True}, {"depth": 50}, {"stem": "small"}],
    "resnet-cifar": [{"depth": 14, "plain": True}, {"shortcut": "projection"}],
    "resnet-wide": [{"depth": 16, "width": 2, "dropout": 0.3}],
    "efficientnet-b0": [{"depth": 1.4, "stochastic_depth": 0.0}],
    "vit": [{"dropout": 0.1}, {"depth": 3, "heads": 1}],
    "autoencoder": [{"activation": "tanh", "output": "sigmoid", "sparsity": "l1"}],
    "autoencoder-conv": [
        {"down": "average", "up": "bilinear", "depth": 2},
        {"down": "stride", "up": "transposed", "norm": "none"},
        {"up": "bicubic", "output": "sigmoid"},
    ],
    "vae": [{"body": "conv"}, {"widths": ()}],
}
GRIDS = ("unet", "fcn", "window", "convlstm", "autoencoder", "autoencoder-conv", "vae")
SIZES = [(1, 1), (3, 2), (16, 16), (17, 31), (40, 9)]
SIDES = {
    "mlp": (1, 2, 17),
    "lenet": (12, 17, 31),
    "cnn": (12, 17, 31),
    "vgg-small": (16, 17, 31),
    "vit": (5, 15, 35),
    "autoencoder": (1, 2, 17),
    "autoencoder-conv": (1, 16, 17),
    "vae": (1, 2, 17),
}
FREE = [name for name in MODELS if name not in SIDES]


def options_of(name: str) -> set[str]:
    return set(inspect.signature(MODELS[name]).parameters)


VARIANTS = [
    (name, options)
    for name in MODELS
    for options in [
        {},
        *({"norm": norm} for norm in NORMS if "norm" in options_of(name)),
        *OTHERS.get(name, []),
    ]
]


def make(name: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    sides = {"size": SIDES[name][-1]} if name in SIDES else {}
    return build_network(name, 6, 2, {**SMALL[name], **sides, **options})


def frames_for(network: torch.nn.Module, count: int) -> torch.Tensor:
    side = getattr(network, "size", None)
    return torch.randn(count, 6, *((19, 21) if side is None else (side, side)))


def test_every_network_is_made_small_here_and_those_of_one_size_say_so() -> None:
    assert set(SMALL) == set(MODELS)
    assert {name for name in MODELS if "size" in options_of(name)} == set(SIDES)


@pytest.mark.parametrize("name", MODELS)
def test_every_option_is_described(name: str) -> None:
    described = inspect.getdoc(MODELS[name])
    assert [option for option in options_of(name) if f"\n    {option}: " not in described] == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FREE)
def test_a_network_takes_any_size(name: str, size: tuple[int, int]) -> None:
    output = make(name).eval()(torch.randn(2, 6, *size))
    assert output.shape == ((2, 2, *size) if name in GRIDS else (2, 2))
    assert output.isfinite().all()


@pytest.mark.parametrize(("name", "side"), [(n, side) for n in SIDES for side in SIDES[n]])
def test_a_network_of_one_size_is_made_for_any_and_refuses_others(name: str, side: int) -> None:
    network = make(name, size=side).eval()
    output = network(torch.randn(2, 6, side, side))
    assert output.shape == ((2, 2, side, side) if name in GRIDS else (2, 2))
    assert output.isfinite().all()
    for height, width in [(side + 1, side), (side, side + 2)]:
        with pytest.raises(
            ValueError, match=f"expected images of {side} × {side} pixels, found {height} × {width}"
        ):
            network(torch.randn(2, 6, height, width))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradients_reach_every_weight(name: str, options: dict[str, object]) -> None:
    network = make(name, **options)
    network(frames_for(network, 4)).square().mean().backward()
    lost = [
        key
        for key, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    assert lost == []


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("name", MODELS)
def test_a_dry_or_wholly_missing_image_harms_nothing(name: str, value: float) -> None:
    network = make(name)
    frames = torch.full_like(frames_for(network, 4), value)
    output = network(frames)
    output.square().mean().backward()
    assert output.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())
    assert network.eval()(frames).isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_an_image_is_judged_apart_from_its_batch(name: str) -> None:
    network = make(name).double().eval()
    frames = frames_for(network, 3).double()
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]))


@pytest.mark.parametrize("name", MODELS)
def test_memory_order_of_the_channels_changes_nothing(name: str) -> None:
    network = make(name).double().eval()
    frames = frames_for(network, 2).double()
    expected = network(frames)
    network = network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        network(frames.contiguous(memory_format=torch.channels_last)), expected
    )


@pytest.mark.parametrize("shuffle", [1, 2, 4])
@pytest.mark.parametrize("name", ["unet", "convlstm"])
def test_folded_pixels_come_back_to_their_place(name: str, shuffle: int) -> None:
    network = make(name, shuffle=shuffle).double()
    frames = torch.randn(1, 6, 24, 24, dtype=torch.double)
    changed = frames.clone()
    changed[..., :4, :4] += 1
    difference = (network(changed) - network(frames)).abs()[0].amax(0)
    assert difference[:4, :4].max() > difference[-4:, -4:].max()
    assert network(frames).shape[-2:] == (24, 24)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_unet_upsamples_every_way(upsampling: str) -> None:
    assert make("unet", upsampling=upsampling)(torch.randn(1, 6, 13, 10)).shape == (1, 2, 13, 10)


@pytest.mark.parametrize("name", ["unet", "convlstm"])
def test_a_zero_output_answers_zero_and_learns_from_the_first_step(name: str) -> None:
    network = make(name, zero_output=True)
    output = network(torch.randn(2, 6, 16, 16))
    assert not output.any()
    (output - 1).square().mean().backward()
    assert network.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["unet", "convlstm"])
def test_skips_and_states_carry_the_finest_detail(name: str) -> None:
    network = make(name)
    frames = torch.randn(1, 6, 32, 32)
    checked = frames.clone()
    checked[..., ::2, ::2] += 1
    assert (network(frames) - network(checked)).abs().max() > 1e-3


def test_each_past_frame_and_each_lead_counts_in_a_convlstm() -> None:
    network = make("convlstm")
    frames = torch.randn(1, 6, 8, 8, requires_grad=True)
    output = network(frames)
    assert not torch.allclose(output[:, 0], output[:, 1])
    for lead in range(2):
        (gradient,) = torch.autograd.grad(output[:, lead].sum(), frames, retain_graph=True)
        assert (gradient.abs().sum((0, 2, 3)) > 0).all()


def test_a_cell_follows_the_equations_of_an_lstm() -> None:
    cell = ConvLSTMCell(2, 3, kernel=1).double()
    oracle = torch.nn.LSTMCell(2, 3).double()
    enter, keep, leave, new = cell.gates.weight[:, :, 0, 0].chunk(4)
    weight = torch.cat([enter, keep, new, leave])
    bias = torch.cat([cell.gates.bias[k * 3 : k * 3 + 3] for k in (0, 1, 3, 2)])
    oracle.load_state_dict(
        {
            "weight_ih": weight[:, :2],
            "weight_hh": weight[:, 2:],
            "bias_ih": bias,
            "bias_hh": torch.zeros_like(bias),
        }
    )
    state, expected = None, None
    for features in torch.randn(4, 5, 2, dtype=torch.double):
        state = cell(features[:, :, None, None], state)
        expected = oracle(features, expected)
    for found, wanted in zip(state, expected, strict=True):
        torch.testing.assert_close(found[..., 0, 0], wanted)


def test_a_forecast_of_shifted_frames_is_the_shifted_forecast() -> None:
    network = UNet(2, 1, widths=(4, 6), norm="none").double().eval()
    frames = torch.zeros(1, 2, 64, 64, dtype=torch.double)
    frames[..., 24:34, 22:32] = torch.randn(2, 10, 10, dtype=torch.double)
    shifted = network(frames.roll((4, -6), (-2, -1)))
    inner = (..., slice(12, -12), slice(12, -12))
    torch.testing.assert_close(shifted[inner], network(frames).roll((4, -6), (-2, -1))[inner])


def test_norms_differ_and_an_unknown_one_is_refused() -> None:
    frames = torch.randn(2, 6, 16, 16)
    outputs = [make("unet", norm=norm)(frames) for norm in NORMS]
    for one, other in itertools.combinations(outputs, 2):
        assert not torch.allclose(one, other)
    with pytest.raises(ValueError, match=r"no norm 'instance'; there are \['batch'"):
        make("unet", norm="instance")


def test_unknown_networks_options_and_upsamplings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no network 'lstm'; the table holds \['alexnet'"):
        build_network("lstm", 1, 1)
    with pytest.raises(ValueError, match=r"'unet' has no option 'depth'; it has \['dropout'"):
        check_options("unet", {"depth": 3})
    with pytest.raises(ValueError, match=r"no upsampling 'cubic'; there are \['nearest'"):
        make("unet", upsampling="cubic")
    with pytest.raises(ValueError, match="expected inputs for 4 frames, found 6"):
        make("convlstm", frames=4)

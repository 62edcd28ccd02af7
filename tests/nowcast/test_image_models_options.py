"""First weights of the image networks, twins by an option, and what options they refuse."""

import math

import pytest
import torch

from nowcast.models import CNN, VIT_TINY, build_network
from nowcast.models.layers import ACTIVATIONS


def describe(name: str, **options: object) -> torch.nn.Module:
    with torch.device("meta"):
        return build_network(name, 3, 1000, options)


@pytest.mark.parametrize(
    ("name", "layer", "deviation"),
    [
        ("mlp", "layers.0", math.sqrt(2 / 784)),
        ("cnn", "features.2", math.sqrt(2 / (9 * 32))),
        ("vgg-small", "features.2", math.sqrt(1 / (3 * 9 * 16))),
        ("lenet", "classifier.0", math.sqrt(2 / (400 + 120))),
        ("alexnet", "features.3", math.sqrt(2 / (25 * 64))),
        ("alexnet", "classifier.6", 0.01),
        ("vgg", "features.2", math.sqrt(2 / (9 * 64))),
        ("googlenet", "inception3a.branch2.1.conv", 0.01),
        ("resnet", "layer1.0.conv1", math.sqrt(2 / (9 * 64))),
        ("resnet-cifar", "blocks.8.conv2", math.sqrt(2 / (9 * 64))),
        ("resnet-wide", "blocks.5.conv2", math.sqrt(2 / (9 * 256))),
        ("efficientnet-b0", "features.8.0", math.sqrt(2 / 1280)),
        ("efficientnet-b0", "classifier.1", math.sqrt(1 / 30)),
        ("vit", "heads.head", 0.02),
        ("vit", "conv_proj", math.sqrt(1 / 16)),
        ("vit", "encoder.layers.encoder_layer_0.mlp.0", math.sqrt(2 / (96 + 192))),
    ],
)
def test_first_weights_are_spread_as_stated(name: str, layer: str, deviation: float) -> None:
    torch.manual_seed(0)
    options = {"alexnet": {"pool": 1, "hidden": (64, 512)}, "vgg": {"pool": 1, "hidden": ()}}
    network = build_network(name, 1, 10, {"vit": VIT_TINY, **options}.get(name, {}))
    weight = network.get_submodule(layer).weight
    assert float(weight.detach().mean()) == pytest.approx(0, abs=deviation / 10)
    assert float(weight.detach().std()) == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_option_chooses_the_activation(activation: str) -> None:
    network = CNN(1, 2, size=10, stages=((2,),), activation=activation)
    assert isinstance(network.features[1], ACTIVATIONS[activation])
    assert isinstance(network.classifier[1], ACTIVATIONS[activation])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"activation": "elu"}, "no activation 'elu'; there are"),
        ("mlp", {"size": 0}, "MLP: expected size of at least 1 pixels, found 0"),
        ("lenet", {"size": 11}, "LeNet: expected size of at least 12 pixels, found 11"),
        ("lenet", {"size": 15, "padding": 0}, "at least 16 pixels, found 15"),
        ("lenet", {"pooling": "least"}, r"no pooling 'least'; there are \['average', 'max'\]"),
        ("cnn", {"size": 5}, "CNN: expected size of at least 6 pixels, found 5"),
        ("vgg-small", {"size": 15}, "SmallVGG: expected size of at least 16 pixels, found 15"),
        ("alexnet", {"without": (3, 5)}, r"leave out among \[3, 4, 6, 7\], found 5"),
        ("vgg", {"depth": 12}, r"expected a depth among \[11, 13, 16, 19\], found 12"),
        ("vgg", {"norm": "instance"}, "no norm 'instance'"),
        ("googlenet", {"kernel": 4}, "expected an odd kernel, found 4"),
        ("resnet", {"depth": 20}, r"expected a depth among \[18, 34, 50, 101, 152\], found 20"),
        ("resnet", {"stem": "tiny"}, r"no stem 'tiny'; there are \['large', 'small'\]"),
        ("resnet-cifar", {"depth": 18}, "expected a depth of 8, 14, 20, …, found 18"),
        ("resnet-wide", {"depth": 20}, "expected a depth of 10, 16, 22, …, found 20"),
        ("resnet-cifar", {"shortcut": "none"}, "no shortcut 'none'; there are"),
        ("vit", {"size": 30, "patch": 4}, "size to be a multiple of patch, found 30, 4"),
        ("vit", {"width": 10, "heads": 3}, "width to be a multiple of heads, found 10, 3"),
    ],
)
def test_options_without_sense_are_refused(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_network(name, 1, 10, options)


@pytest.mark.parametrize("name", ["lenet", "cnn", "vgg-small"])
def test_the_least_size_leaves_one_pixel(name: str) -> None:
    least = {"lenet": 12, "cnn": 6, "vgg-small": 16}[name]
    network = build_network(name, 1, 10, {"size": least})
    assert network.features(torch.rand(1, 1, least, least)).shape[-2:] == (1, 1)


def test_an_image_below_the_first_layer_of_alexnet_is_refused() -> None:
    network = build_network("alexnet", 3, 10, {"widths": (4,) * 5, "hidden": (8, 8)}).eval()
    assert network(torch.rand(1, 3, 7, 9)).shape == (1, 10)
    with pytest.raises(ValueError, match="sides of at least 7 pixels, found 9 × 6; enlarge"):
        network(torch.rand(1, 3, 9, 6))


def test_layers_left_out_leave_the_names_of_the_others() -> None:
    whole = set(describe("alexnet").state_dict())
    for without, lost in [
        ((3, 4), {"features.6", "features.8"}),
        ((6, 7), {"classifier.1", "classifier.4"}),
        ((3, 4, 6, 7), {"features.6", "features.8", "classifier.1", "classifier.4"}),
    ]:
        twin = set(describe("alexnet", without=without).state_dict())
        assert whole - twin == {f"{name}.{part}" for name in lost for part in ("weight", "bias")}
        assert twin < whole


@pytest.mark.parametrize(("name", "depth"), [("resnet", 18), ("resnet", 34), ("resnet-cifar", 20)])
def test_a_plain_twin_lacks_only_the_shortcuts(name: str, depth: int) -> None:
    twin = describe(name, depth=depth, plain=True).state_dict()
    whole = describe(name, depth=depth).state_dict()
    assert set(twin) == {key for key in whole if ".downsample." not in key}
    assert all(twin[key].shape == whole[key].shape for key in twin)

"""The published image networks: their counts and their parts."""

import math

import pytest
import torch
import torch.nn.functional as F

from nowcast.models import VIT_B16, VIT_TINY, SmallVGG, build_network
from nowcast.models.efficientnet import SqueezeExcitation
from nowcast.models.googlenet import INCEPTIONS, Inception
from nowcast.models.layers import WholePool
from nowcast.models.resnet import Block, Shortcut
from nowcast.models.vit import EncoderLayer
from nowcast.models.wide_resnet import WideBlock

IMAGENET, GREY = (3, 1000), (1, 10)
COUNTS = [
    ("vgg-small", {}, GREY, 360_714),
    ("lenet", {}, GREY, 61_706),
    ("cnn", {}, GREY, 1_199_882),
    ("mlp", {"hidden": (512, 256)}, GREY, 535_818),
    ("alexnet", {}, IMAGENET, 61_100_840),
    ("vgg", {"depth": 16}, IMAGENET, 138_357_544),
    ("vgg", {"depth": 19}, IMAGENET, 143_667_240),
    ("vgg", {"depth": 16, "norm": "batch"}, IMAGENET, 138_365_992),
    ("vgg", {"depth": 16, "pool": 1, "hidden": (128,)}, (3, 1), 14_780_481),
    ("googlenet", {}, IMAGENET, 6_624_904),
    ("resnet", {"depth": 18}, IMAGENET, 11_689_512),
    ("resnet", {"depth": 34}, IMAGENET, 21_797_672),
    ("resnet", {"depth": 50}, IMAGENET, 25_557_032),
    ("resnet", {"depth": 101}, IMAGENET, 44_549_160),
    ("resnet-cifar", {"depth": 20}, (3, 10), 269_722),
    ("resnet-cifar", {"depth": 56}, (3, 10), 853_018),
    ("resnet-wide", {"depth": 16, "width": 4}, (3, 10), 2_748_890),
    ("resnet-wide", {"depth": 28, "width": 10}, (3, 10), 36_479_194),
    ("efficientnet-b0", {}, IMAGENET, 5_288_548),
    ("efficientnet-b0", {"depth": 1.1}, IMAGENET, 7_794_184),
    ("efficientnet-b0", {"width": 1.2, "depth": 1.4}, IMAGENET, 12_233_232),
    ("vit", {}, IMAGENET, 86_567_656),
    ("vit", VIT_B16, IMAGENET, 86_567_656),
]


def describe(name: str, options: object, ends: tuple[int, int]) -> torch.nn.Module:
    with torch.device("meta"):
        return build_network(name, *ends, options)


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(("name", "options", "ends", "published"), COUNTS)
def test_a_network_has_its_published_number_of_weights(
    name: str, options: object, ends: tuple[int, int], published: int
) -> None:
    assert count(describe(name, options, ends)) == published


def test_a_new_classifier_on_vgg_trains_only_its_own_weights() -> None:
    network = describe("vgg", {"pool": 1, "hidden": (128,)}, (3, 1))
    assert count(network.classifier) == 65_793


@pytest.mark.parametrize("name", ["resnet", "alexnet", "googlenet", "efficientnet-b0", "vgg"])
def test_a_full_image_passes_through_a_whole_network(name: str) -> None:
    side = 64
    network = build_network(name, 3, 10, {"hidden": (64, 64)} if name in ("vgg", "alexnet") else {})
    assert network.eval()(torch.rand(1, 3, side, side)).shape == (1, 10)


@pytest.mark.parametrize("name", ["alexnet", "vgg", "googlenet", "resnet", "efficientnet-b0"])
def test_what_a_layer_gave_is_not_overwritten_by_the_next(name: str) -> None:
    dense = {"widths": (4,) * 5, "pool": 1, "hidden": (4, 4)}
    options = {"alexnet": dense, "vgg": dense, "resnet": {"width": 4}}.get(name, {"width": 0.1})
    network = build_network(name, 3, 2, options).eval()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda *a: seen.append((a[2], a[2].clone())))
    network(torch.randn(1, 3, 32, 32))
    assert len(seen) > 10
    assert all(torch.equal(*pair) for pair in seen)


def test_a_tiny_transformer_reads_small_images() -> None:
    assert build_network("vit", 1, 10, VIT_TINY)(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_a_small_vgg_shrinks_28_pixels_to_4_and_2048_features() -> None:
    network = SmallVGG(1, 10)
    sides, features = [], torch.rand(1, 1, 28, 28)
    for layer in network.features:
        features = layer(features)
        if not isinstance(layer, torch.nn.LeakyReLU):
            sides.append(features.shape[-1])
    assert sides == [26, 24, 12, 10, 8, 4]
    assert features.flatten(1).shape == (1, 2048)
    assert {layer.negative_slope for layer in network.features[1::5]} == {0.01}
    assert [tuple(layer.weight.shape) for layer in network.classifier[::2]] == [
        (128, 2048),
        (10, 128),
    ]


# Szegedy et al., 2015, table 1: channels out, and thousands (of 1024) of weights. The thousands
# printed for 4c and 5a, 463 and 1072, do not follow from the channels printed beside them.
@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "thousands"),
    [
        ("3a", 192, 256, 159),
        ("3b", 256, 480, 380),
        ("4a", 480, 512, 364),
        ("4b", 512, 512, 437),
        ("4c", 512, 512, None),
        ("4d", 512, 528, 580),
        ("4e", 528, 832, 840),
        ("5a", 832, 832, None),
        ("5b", 832, 1024, 1388),
    ],
)
def test_an_inception_is_that_of_the_published_table(
    name: str, inputs: int, outputs: int, thousands: int | None
) -> None:
    with torch.device("meta"):
        inception = Inception(inputs, INCEPTIONS[name], 5)
        assert inception(torch.empty(1, inputs, 7, 7)).shape == (1, outputs, 7, 7)
    kernels = sum(w.numel() for w in inception.parameters() if w.ndim == 4)
    if thousands is not None:
        assert kernels / 1024 == pytest.approx(thousands, rel=0.02)


def test_a_block_adds_to_what_comes_in_and_a_plain_one_does_not() -> None:
    frames = torch.randn(2, 3, 5, 7).relu()
    outputs = []
    for shortcut in ("projection", "none"):
        block = Block(3, 3, 1, False, shortcut, "batch").eval()
        torch.nn.init.zeros_(block.bn2.weight)
        outputs.append(block(frames))
    torch.testing.assert_close(outputs[0], frames)
    assert not outputs[1].any()


def test_a_padding_shortcut_thins_the_grid_and_adds_empty_channels() -> None:
    shortcut: Shortcut = "pad"
    block = Block(2, 5, 2, False, shortcut, "batch").eval()
    torch.nn.init.zeros_(block.bn2.weight)
    frames = torch.rand(1, 2, 5, 6)
    output = block(frames)
    torch.testing.assert_close(output[:, :2], frames[..., ::2, ::2])
    assert output.shape == (1, 5, 3, 3)
    assert not output[:, 2:].any()


def test_a_wide_block_projects_what_its_first_norm_gave() -> None:
    block = WideBlock(3, 6, 2, "batch", 0.0).eval()
    torch.nn.init.constant_(block.bn1.bias, -0.2)
    torch.nn.init.zeros_(block.conv2.weight)
    frames = torch.randn(1, 3, 6, 6)
    torch.testing.assert_close(block(frames), block.projection(block.bn1(frames).relu()))


@pytest.mark.parametrize("name", ["alexnet", "vgg"])
def test_a_pool_of_one_pixel_is_the_average_of_the_grid(name: str) -> None:
    network = build_network(name, 3, 2, {"widths": (4,) * 5, "pool": 1, "hidden": (8, 8)}).eval()
    frames = torch.randn(2, 3, 96, 128)
    means = network.features(frames).mean(dim=(-2, -1))
    torch.testing.assert_close(network(frames), network.classifier(means))


@pytest.mark.parametrize("options", [{"depth": 18}, {"depth": 50}])
def test_residual_blocks_can_begin_as_the_identity(options: dict[str, object]) -> None:
    network = build_network("resnet", 3, 2, {"width": 4, "zero_residual": True, **options})
    block = network.eval().layer1[-1]
    frames = torch.rand(1, block.outputs, 6, 6)
    torch.testing.assert_close(block(frames), frames)
    for wrong in ({"plain": True}, {"norm": "none"}):
        with pytest.raises(ValueError, match="expected blocks with a norm and a shortcut"):
            build_network("resnet", 3, 2, {"width": 4, "zero_residual": True, **wrong})


def test_a_pool_takes_a_short_side_whole_and_a_long_one_as_usual() -> None:
    frames = torch.randn(1, 2, 13, 18)
    for ceil in (False, True):
        torch.testing.assert_close(
            WholePool(3, 2, ceil_mode=ceil)(frames), F.max_pool2d(frames, 3, 2, ceil_mode=ceil)
        )
    short = frames[..., :2, :1]
    torch.testing.assert_close(WholePool(3, 2)(short), short.amax((-2, -1), keepdim=True))


def test_squeezed_channels_are_weighed_by_their_means_alone() -> None:
    part = SqueezeExcitation(4, 2).double()
    frames = torch.randn(2, 4, 6, 6, dtype=torch.double)
    factor = part(frames) / frames
    torch.testing.assert_close(factor, factor[..., :1, :1].expand_as(factor))
    torch.testing.assert_close(part(frames.flip(-1)), part(frames).flip(-1))
    torch.nn.init.zeros_(part.fc2.weight)
    torch.nn.init.constant_(part.fc2.bias, -1.0)
    torch.testing.assert_close(part(frames), frames / (1 + math.e))


def test_blocks_are_left_out_in_training_only_and_the_later_the_oftener() -> None:
    network = build_network("efficientnet-b0", 3, 10, {"width": 0.25, "stochastic_depth": 0.8})
    blocks = [block for stage in network.features[1:-1] for block in stage]
    assert [block.left_out for block in blocks] == pytest.approx([0.05 * n for n in range(16)])
    last = [block for block in blocks if block.shortcut][-1]
    frames = torch.randn(400, last.block[0][0].in_channels, 3, 3)
    torch.manual_seed(0)
    last.block.eval()
    added = last(frames) - frames
    unchanged = (added == 0).all(dim=(1, 2, 3))
    assert float(unchanged.float().mean()) == pytest.approx(last.left_out, abs=0.08)
    whole = last.eval()(frames) - frames
    kept = 1 - last.left_out
    torch.testing.assert_close(added[~unchanged] * kept, whole[~unchanged], atol=1e-5, rtol=1e-4)
    assert whole.any(dim=(1, 2, 3)).all()


def test_a_transformer_without_positions_does_not_see_the_order_of_patches() -> None:
    torch.manual_seed(0)
    options = {"size": 12, "patch": 4, "width": 8, "depth": 2, "heads": 2, "hidden": 16}
    network = build_network("vit", 1, 3, options).double().eval()
    frames = torch.randn(1, 1, 12, 12, dtype=torch.double)
    moved = frames.roll(4, -1)
    assert not torch.allclose(network(frames), network(moved))
    torch.nn.init.zeros_(network.encoder.pos_embedding)
    torch.testing.assert_close(network(frames), network(moved))


def test_a_layer_of_the_encoder_is_torch_s_own_with_the_norm_first() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(8, 2, 16, 0.0).double().eval()
    oracle = torch.nn.TransformerEncoderLayer(
        8, 2, 16, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    names = {"ln_": "norm", "self_attention": "self_attn", "mlp.0": "linear1", "mlp.3": "linear2"}
    weights = {}
    for key, weight in layer.state_dict().items():
        start = next(name for name in names if key.startswith(name))
        weights[key.replace(start, names[start])] = weight
    oracle.load_state_dict(weights)
    tokens = torch.randn(3, 5, 8, dtype=torch.double)
    torch.testing.assert_close(layer(tokens), oracle.double().eval()(tokens))

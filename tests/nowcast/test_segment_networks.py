"""Networks that name pixels, the published U-Net and FCN on VGG, and their recipes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nowcast.models import FCN, VGG, UNet, build_network, load_pretrained
from nowcast.models.fcn import bilinear_rise
from nowcast.recipes import Recipe
from nowcast.recipes.segmentation import SEGMENTATION
from nowcast.tasks import SegmentTask

PAPER = {
    "widths": (64, 128, 256, 512, 1024),
    "norm": "none",
    "upsampling": "transposed",
    "padding": False,
}
UNPADDED = {**PAPER, "widths": (4, 6, 8)}
SMALL_FCN = {"widths": (4, 4, 6, 6, 8), "pool": 3, "hidden": (16, 16)}


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_published_unet_has_its_weights_and_its_grids() -> None:
    with torch.device("meta"):
        network = UNet(1, 2, **PAPER)
        sides = []
        for block in [*network.down, *network.up]:
            block.register_forward_hook(lambda *call: sides.append(call[2].shape[1:3]))
        assert network(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    assert count(network) == 31_030_658
    assert [tuple(side) for side in sides] == [
        *[(64, 568), (128, 280), (256, 136), (512, 64), (1024, 28)],
        *[(512, 52), (256, 100), (128, 196), (64, 388)],
    ]
    assert (network.margin, network.input_side(388), network.input_side(389)) == (92, 572, 588)


@pytest.mark.parametrize("shuffle", [1, 2])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_unpadded_unet_takes_the_sides_that_it_names(levels: int, shuffle: int) -> None:
    network = UNet(2, 3, **{**UNPADDED, "widths": (2,) * levels}, shuffle=shuffle).eval()
    side = network.input_side(9)
    output = network(torch.rand(1, 2, side, side + network.multiple))
    margin = 2 * network.margin
    assert output.shape == (1, 3, side - margin, side + network.multiple - margin)
    assert 9 <= side - margin < 9 + network.multiple
    wrong = 4 * shuffle if levels == 1 else side + 1
    with pytest.raises(ValueError, match=f"UNet without padding: .* found {wrong} × {side}; take"):
        network(torch.rand(1, 2, wrong, side))


def test_an_unpadded_unet_answers_a_pixel_alike_wherever_the_tile_lies() -> None:
    network = UNet(1, 2, **UNPADDED).double().eval()
    picture = torch.randn(1, 1, 76, 68, dtype=torch.double)
    whole = network(picture)
    side, inner = network.input_side(4), 68 - 2 * network.margin
    assert whole.shape[-1] == inner
    tile = network(picture[..., 8 : 8 + side, 4 : 4 + side])
    width = tile.shape[-1]
    torch.testing.assert_close(tile, whole[..., 8 : 8 + width, 4 : 4 + width])


def test_an_unpadded_unet_is_the_inner_part_of_the_padded_one() -> None:
    options = {**UNPADDED, "widths": (4, 6), "dropout": 0.5}
    padded, other = UNet(1, 2, **{**options, "padding": True}), UNet(1, 2, **options)
    other.load_state_dict(padded.state_dict())
    picture = torch.randn(1, 1, 46, 54)
    inner = (..., slice(other.margin, -other.margin), slice(other.margin, -other.margin))
    found, wanted = other.eval()(picture), padded.eval()(picture)[inner]
    torch.testing.assert_close(found, wanted)


def test_dropout_works_at_the_end_of_the_contracting_path_alone() -> None:
    torch.manual_seed(0)
    network = UNet(1, 2, widths=(4, 6, 8), norm="none", dropout=0.5)
    seen = []
    network.drop.register_forward_hook(lambda *call: seen.append((call[1][0], call[2])))
    frames = torch.rand(1, 1, 32, 32)
    first, second = network(frames), network(frames)
    assert not torch.equal(first, second)
    assert [tuple(before.shape[1:3]) for before, _ in seen[:2]] == [(6, 16), (8, 8)]
    for before, after in seen:
        kept = after != 0
        torch.testing.assert_close(after[kept], 2 * before[kept])
    assert torch.equal(network.eval()(frames), network(frames))


def test_weights_of_the_unet_begin_with_he_s_deviation() -> None:
    torch.manual_seed(0)
    network = UNet(1, 2, **{**PAPER, "widths": (16, 64)})
    for weight, inputs in [
        (network.down[0][3].weight, 9 * 16),
        (network.up[0][0].weight, 9 * 32),
        (network.rise[0].weight, 64),
    ]:
        assert weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.06)


def test_an_fcn_is_the_published_one_with_vgg_s_names() -> None:
    with torch.device("meta"):
        networks = {stride: FCN(3, 21, stride=stride) for stride in (8, 16, 32)}
        vgg = VGG(3, 1000)
    assert {stride: count(network) for stride, network in networks.items()} == {
        8: 134_489_759,
        16: 134_815_994,
        32: 136_152_917,
    }
    shapes = [
        {key: w.shape for key, w in network.state_dict().items() if "classifier.6" not in key}
        for network in (networks[8], vgg)
    ]
    assert shapes[0] == shapes[1]
    assert {network.head for network in (*networks.values(), vgg)} == {"classifier.6"}


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_an_fcn_begins_with_weights_of_a_vgg(norm: str, tmp_path: Path) -> None:
    options = {**SMALL_FCN, "depth": 11, "norm": norm}
    vgg, fcn = VGG(3, 5, **options), FCN(3, 2, **options)
    torch.save(vgg.state_dict(), tmp_path / "vgg.pt")
    fresh = load_pretrained(fcn, tmp_path / "vgg.pt")
    assert all(name.startswith("classifier") for name in fresh)
    for name, weight in vgg.features.state_dict().items():
        assert torch.equal(fcn.features.state_dict()[name], weight)


def test_dense_layers_at_every_pixel_are_vgg_s_on_its_window() -> None:
    options = {**SMALL_FCN, "depth": 11}
    vgg, fcn = VGG(3, 5, **options).double().eval(), FCN(3, 5, **options).double().eval()
    weights = vgg.state_dict() | {
        "classifier.6.coarsest.weight": vgg.classifier[-1].weight,
        "classifier.6.coarsest.bias": vgg.classifier[-1].bias,
    }
    scores = {key: w for key, w in fcn.state_dict().items() if "classifier.6" in key}
    kept = {key: weight for key, weight in weights.items() if key in fcn.state_dict()}
    fcn.load_state_dict({**scores, **kept})
    seen = []
    fcn.classifier[-1].rise[0].register_forward_hook(lambda *call: seen.append(call[1][0]))
    frames = torch.randn(2, 3, 96, 96, dtype=torch.double)
    fcn(frames)
    torch.testing.assert_close(seen[0][..., 1, 1], vgg(frames))


@pytest.mark.parametrize("factor", [2, 8, 32])
def test_transposed_convolutions_begin_as_bilinear_interpolation(factor: int) -> None:
    frames = torch.randn(1, 3, 4, 5)
    expected = F.interpolate(frames, scale_factor=factor, mode="bilinear")
    inner = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(bilinear_rise(3, factor)(frames)[inner], expected[inner])


def test_skips_of_an_fcn_begin_without_effect_and_bring_detail_once_trained() -> None:
    torch.manual_seed(0)
    networks = [FCN(1, 2, stride=stride, **SMALL_FCN).eval() for stride in (32, 8)]
    weights = networks[0].state_dict()
    shared = {k: w for k, w in weights.items() if k in networks[1].state_dict() and "last" not in k}
    networks[1].load_state_dict({**networks[1].state_dict(), **shared})
    skips = networks[1].classifier[-1].skips
    frames = torch.rand(1, 1, 64, 64)
    before = networks[1](frames)
    with torch.no_grad():
        for skip in skips:
            skip.weight.normal_()
    assert [skip.weight.shape[1] for skip in skips] == [6, 6]
    assert not torch.allclose(networks[1](frames), before)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {"padding": False}, "upsampling 'transposed' without padding, found 'bilinear'"),
        ("fcn", {"stride": 4}, r"a stride among \[8, 16, 32\] and an odd pool, found 4 and 7"),
        ("fcn", {"pool": 2}, "an odd pool, found 8 and 2"),
        ("window", {"side": 64}, r"expected a side among \[23, 33, 47, 65, 95\], found 64"),
    ],
)
def test_options_without_sense_are_refused(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_network(name, 1, 2, options)


RECIPES = {recipe.name: recipe for recipe in SEGMENTATION}


def test_recipes_are_eight_and_come_back_from_json() -> None:
    assert list(RECIPES) == [
        *("unet-paper", "unet-em", "unet-nuclei", "unet-nuclei-plain", "unet-nuclei-border"),
        *("unet-vessels", "fcn-8", "window"),
    ]
    for recipe in SEGMENTATION:
        assert isinstance(recipe.task, SegmentTask)
        assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_s_network_takes_its_crop(name: str) -> None:
    recipe = RECIPES[name].for_images(3, 1)
    with torch.device("meta"):
        network = recipe.build_network()
        output = network(torch.empty(2, 1, recipe.crop, recipe.crop))
    side = recipe.crop - 2 * getattr(network, "margin", 0)
    assert output.shape == (2, 3, side, side)
    assert side >= 1


def test_the_plain_recipe_differs_from_that_of_nuclei_in_the_border_map_alone() -> None:
    plain = RECIPES["unet-nuclei-plain"]
    assert plain.pixel_weights == {}
    assert RECIPES["unet-nuclei"].pixel_weights["border"] == 10
    assert replace(RECIPES["unet-nuclei"], name=plain.name, pixel_weights={}) == plain

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from nowcast.models import FCN, SlidingWindow, UNet
from nowcast.scaling import MinMax
from nowcast.tasks import SegmentTask
from nowcast.tiles import predict_tiled, reach_of

TASK = SegmentTask(classes=3, channels=2, scaling=MinMax(0, 255))
SIZES = ((70, 131), (64, 64), (9, 33), (200, 90))
TOLERANCE = 1e-5


def picture_of(height: int, width: int) -> Tensor:
    return torch.rand((2, height, width), generator=torch.Generator().manual_seed(0)) * 255


def padded() -> nn.Module:
    return UNet(2, 3, widths=(4, 6, 8), norm="batch")


def published() -> nn.Module:
    widths = (4, 6, 8)
    return UNet(2, 3, widths=widths, norm="none", upsampling="transposed", padding=False)


def deeper() -> nn.Module:
    return UNet(2, 3, widths=(4, 4, 4, 6), norm="none", upsampling="transposed")


def window() -> nn.Module:
    return SlidingWindow(2, 3, side=23, width=4, hidden=(8,), padding=False)


def convolutional() -> nn.Module:
    return FCN(2, 3, stride=8, depth=11, widths=(4, 4, 4, 4, 4), pool=3, hidden=(8,))


NETWORKS = ((padded, 96), (published, 60), (deeper, 152), (window, 50), (convolutional, 320))


def made(make: object, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    assert callable(make)
    network = make()
    assert isinstance(network, nn.Module)
    for weight in network.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.1)
    return network.eval()


@pytest.mark.parametrize(("make", "tile"), NETWORKS, ids=lambda part: getattr(part, "__name__", ""))
@pytest.mark.parametrize("flips", [False, True])
def test_tiles_give_the_answer_of_one_pass(make: object, tile: int, flips: bool) -> None:
    network = made(make)
    for height, width in SIZES[:1] if flips else SIZES:
        picture = picture_of(height, width)
        whole = predict_tiled(network, TASK, picture, None, flips=flips)
        tiled = predict_tiled(network, TASK, picture, tile, batch=3, flips=flips)
        assert whole.shape == (3, height, width)
        assert torch.allclose(whole.sum(0), torch.ones(height, width), atol=TOLERANCE)
        assert whole.std() > 1e-4
        assert (whole - tiled).abs().max() < TOLERANCE


def test_a_large_picture_is_cut_into_many_tiles_of_one_size() -> None:
    network, shapes = made(padded), []
    network.register_forward_hook(lambda _, given, __: shapes.append(tuple(given[0].shape)))
    reach = reach_of(network, 2)
    shapes.clear()
    predict_tiled(network, TASK, picture_of(200, 300), 96, batch=4)
    down, across = (-(-(side + 8 - 2 * reach) // (96 - 2 * reach)) for side in (200, 300))
    assert sum(shape[0] for shape in shapes) == down * across
    ((height, width),) = {shape[2:] for shape in shapes}
    assert 2 * reach < height <= 96
    assert 2 * reach < width <= 96
    assert down * (height - 2 * reach) < 208 - 2 * reach + 4 * down


def test_with_less_overlap_than_the_network_reaches_the_answer_is_another() -> None:
    network, picture = made(padded), picture_of(128, 128)
    whole = predict_tiled(network, TASK, picture, None)
    reach = reach_of(network, 2)
    assert reach % network.multiple == 0
    tiled = predict_tiled(network, TASK, picture, 96, overlap=8)
    assert (whole - tiled).abs().max() > 100 * TOLERANCE
    assert reach_of(made(published), 2) == made(published).margin


def test_without_padding_tiles_give_what_the_network_gives_of_the_mirrored_picture() -> None:
    network, picture = made(published), picture_of(70, 50)
    margin = network.margin
    sides = [network.input_side(size) for size in (70, 50)]
    rest = [side - size - margin for side, size in zip(sides, (70, 50), strict=True)]
    mirrored = nn.functional.pad(picture[None], (margin, rest[1], margin, rest[0]), "reflect")
    with torch.no_grad():
        expected = network(mirrored / 255).softmax(1)[0, :, :70, :50]
    found = predict_tiled(network, TASK, picture, 60)
    assert torch.allclose(found, expected, atol=TOLERANCE)


def test_with_padding_and_no_mirror_it_is_what_the_network_gives() -> None:
    network, picture = made(padded), picture_of(64, 48)
    with torch.no_grad():
        expected = network(picture[None] / 255).softmax(1)[0]
    assert torch.allclose(
        predict_tiled(network, TASK, picture, 512, mirror=0), expected, atol=TOLERANCE
    )


def test_flips_are_the_mean_over_four_views() -> None:
    network, picture = made(padded), picture_of(32, 48)
    views = [()] + [(-1,), (-2,), (-2, -1)]
    mean = sum(predict_tiled(network, TASK, picture.flip(view)).flip(view) for view in views) / 4
    found = predict_tiled(network, TASK, picture, flips=True)
    assert torch.allclose(found, torch.as_tensor(mean), atol=TOLERANCE)
    mirrored = predict_tiled(network, TASK, picture.flip(-1), flips=True).flip(-1)
    assert torch.allclose(found, mirrored, atol=TOLERANCE)
    assert (found - predict_tiled(network, TASK, picture)).abs().max() > TOLERANCE


def test_pictures_of_any_type_are_taken_and_the_network_stays_as_it_was() -> None:
    network = made(padded).train()
    picture = picture_of(40, 40).round()
    found = predict_tiled(network, TASK, picture.to(torch.uint8))
    assert torch.equal(found, predict_tiled(network, TASK, picture))
    assert network.training
    assert not found.requires_grad
    assert found.dtype == torch.float32


def test_a_tile_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a tile of 60 pixels or more .*found 32; give"):
        predict_tiled(made(padded), TASK, picture_of(100, 100), 32)
    with pytest.raises(ValueError, match=r"overlap of 20, found 40; give a larger tile"):
        predict_tiled(made(published), TASK, picture_of(100, 100), 43)


def test_a_network_that_looks_at_the_whole_picture_has_no_tiles() -> None:
    network = made(lambda: UNet(2, 3, widths=(4, 6, 8), norm="group"))
    with pytest.raises(ValueError, match="found some that depend on the whole picture; give"):
        predict_tiled(network, TASK, picture_of(40, 40))
    one_pass = predict_tiled(network, TASK, picture_of(40, 40), None)
    assert torch.isfinite(one_pass).all()


def test_every_pixel_of_a_padded_network_is_written_once() -> None:
    network = made(padded)
    for size, tile in product((61, 97, 128), (64, 96)):
        found = predict_tiled(network, TASK, picture_of(size, 64), tile)
        assert torch.allclose(found.sum(0), torch.ones(size, 64), atol=TOLERANCE)

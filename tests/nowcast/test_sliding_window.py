"""The class of a pixel from its window: one by one and for the whole picture at once."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from nowcast.models import SlidingWindow
from nowcast.models.sliding_window import WINDOWS, mirrored


@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("side", WINDOWS)
def test_windows_one_by_one_and_the_dense_network_answer_alike(side: int, padding: bool) -> None:
    torch.manual_seed(0)
    network = SlidingWindow(2, 3, side=side, width=3, hidden=(5,), padding=padding).double()
    height, width = (5, 8) if padding else (side + 4, side + 7)
    frames = torch.randn(2, 2, height, width, dtype=torch.double)
    slow = network.by_windows(frames, together=7)
    assert slow.shape == (2, 3, 5, 8)
    torch.testing.assert_close(network.dense()(frames), slow, rtol=0, atol=1e-12)
    torch.testing.assert_close(network(frames), slow, rtol=0, atol=1e-12)
    one = (
        frames[..., :side, :side] if not padding else mirrored(frames, side // 2)[..., :side, :side]
    )
    torch.testing.assert_close(network.classify(one), slow[..., 0, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [23, 65])
@pytest.mark.parametrize("padding", [True, False])
def test_redundant_work_is_what_is_multiplied(side: int, padding: bool) -> None:
    network = SlidingWindow(1, 2, side=side, width=3, hidden=(5,), padding=padding)
    height, width = (6, 9) if padding else (side + 5, side + 8)
    frames = torch.rand(1, 1, height, width)
    work = network.redundant_work(height, width)
    for way, total in [
        (network.by_windows, sum(layer.windows for layer in work)),
        (network.dense(), sum(layer.dense for layer in work)),
    ]:
        with FlopCounterMode(display=False) as counter:
            way(frames)
        assert counter.get_total_flops() == 2 * total
    assert [layer.layer for layer in work] == [
        name.removesuffix(".weight") for name, _ in network.named_parameters() if "weight" in name
    ]


def test_a_dense_network_shares_the_weights_of_its_window() -> None:
    network = SlidingWindow(1, 2, side=23, width=3, hidden=(5,))
    dense, frames = network.dense(), torch.rand(1, 1, 6, 6)
    before = dense(frames)
    with torch.no_grad():
        network.classifier[-1].bias.add_(1.0)
    torch.testing.assert_close(dense(frames), before + 1)
    assert [id(weight) for weight in dense.parameters()] == [id(w) for w in network.parameters()]


def test_a_window_sees_its_side_and_no_further() -> None:
    network = SlidingWindow(1, 1, side=23, width=6).double()
    frames = torch.rand(1, 1, 41, 41, dtype=torch.double, requires_grad=True)
    network(frames)[0, 0, 20, 20].backward()
    rows = frames.grad[0, 0].any(1).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (20 - 11, 20 + 11)


def test_a_mirror_repeats_no_edge_and_takes_any_grid() -> None:
    row = torch.arange(4.0)
    assert mirrored(row[None, None], 5)[0, 5].tolist() == [*[1, 2, 3, 2, 1], *row, *[2, 1, 0, 1, 2]]
    assert torch.equal(mirrored(torch.full((1, 1, 1), 3.0), 4), torch.full((1, 9, 9), 3.0))
    frames = torch.rand(1, 2, 9, 12)
    torch.testing.assert_close(mirrored(frames, 4), F.pad(frames, (4,) * 4, mode="reflect"))


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    network = SlidingWindow(1, 2, side=23, width=2, padding=False)
    with pytest.raises(ValueError, match="sides of at least 23 pixels, found 22 × 40"):
        network(torch.rand(1, 1, 22, 40))

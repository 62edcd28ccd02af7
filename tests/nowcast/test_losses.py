"""Masked losses: what is unknown neither counts nor teaches."""

import math

import pytest
import torch

from nowcast.losses import LOSSES, find_loss, heavy_rain_weight, masked_mean, masked_sum


def case(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    weight = (torch.rand(3, 4, 5, generator=generator) > 0.4).float() * 2
    if name == "cross_entropy":
        output = torch.randn(3, 6, 4, 5, generator=generator, requires_grad=True)
        target = torch.randint(6, (3, 4, 5), generator=generator)
        return output, torch.where(weight > 0, target, -1), weight
    output = torch.randn(3, 4, 5, generator=generator, requires_grad=True)
    target = torch.randn(3, 4, 5, generator=generator)
    return output, torch.where(weight > 0, target, math.nan), weight


@pytest.mark.parametrize("name", LOSSES)
def test_pixels_of_no_weight_have_no_gradient(name: str) -> None:
    output, target, weight = case(name)
    masked_mean(find_loss(name), output, target, weight).backward()
    gradient = output.grad if name != "cross_entropy" else output.grad.abs().sum(1)
    assert not gradient[weight == 0].any()
    assert gradient[weight > 0].all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_wholly_missing_gives_zero_loss_and_finite_gradients(name: str) -> None:
    output, target, weight = case(name)
    lost = torch.full_like(target, math.nan if target.is_floating_point() else -1)
    loss = masked_mean(find_loss(name), output, lost, torch.zeros_like(weight))
    loss.backward()
    assert loss == 0
    assert not output.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_sums_of_parts_are_the_sum_of_the_whole(name: str) -> None:
    output, target, weight = case(name)
    loss = find_loss(name)
    whole = masked_sum(loss, output, target, weight)
    parts = [masked_sum(loss, *(part[k : k + 1] for part in case(name))) for k in range(3)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
    mean = masked_mean(loss, output, target, weight)
    torch.testing.assert_close(mean * weight.sum(), whole)


def test_known_errors() -> None:
    output, target = torch.tensor([0.0, 1.0, 9.0]), torch.tensor([0.5, 1.05, math.nan])
    weight = torch.tensor([1.0, 3.0, 0.0])
    expected = {"mae": (0.5 + 0.15) / 4, "mse": (0.25 + 0.0075) / 4}
    expected["huber"] = (0.1 * 0.45 + 3 * 0.05**2 / 2) / 4
    for name, value in expected.items():
        assert masked_mean(find_loss(name), output, target, weight).item() == pytest.approx(value)
    logits, classes = torch.tensor([[0.0, math.log(3)]]), torch.tensor([1])
    entropy = masked_mean(find_loss("cross_entropy"), logits, classes, torch.ones(1))
    assert entropy.item() == pytest.approx(math.log(4 / 3))


def test_heavy_rain_weighs_more_and_missing_rain_nothing() -> None:
    weight = heavy_rain_weight(torch.tensor([-32.0, 20.0, 30.0, 40.0, math.nan]), 3.0)
    assert weight.tolist() == [1.0, 1.0, 2.5, 4.0, 0.0]


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="no loss 'ssim'; the table holds"):
        find_loss("ssim")

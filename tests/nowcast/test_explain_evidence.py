from __future__ import annotations

import pytest
import torch
from explained_networks import Quadrant, small_network
from torch import Tensor, nn

from nowcast.explain import grad_cam, map_layer, occlusion
from nowcast.explain.attribution import log_odds
from nowcast.models import MODELS


def upper_right(evidence: Tensor) -> float:
    """The share of the evidence (16, 16) that lies in the quadrant."""
    size = evidence.abs()
    return float(size[:8, 8:].sum() / size.sum())


@pytest.fixture
def images() -> Tensor:
    return 0.5 + 0.5 * torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_grad_cam_lights_where_the_class_is_decided(images: Tensor) -> None:
    images[1, 0, :8, :8] = images[1, 0, 8:] = 0
    network = Quadrant()
    layer = map_layer(network, images)
    assert layer == "act"
    found = grad_cam(network, "seen", images, 1)
    assert found.shape == (3, 16, 16)
    assert (found >= 0).all()
    torch.testing.assert_close(found[1] / found[1].max(), images[1, 0] / images[1, 0].max())
    assert upper_right(found[1]) > 0.9


def test_grad_cam_leaves_out_what_speaks_against_the_class(images: Tensor) -> None:
    assert (grad_cam(Quadrant(), "act", images, 0) == 0).all()
    mixed = grad_cam(Quadrant(), "act", images, torch.tensor([0, 1, 0]))
    assert mixed.flatten(1).amax(1).gt(0).tolist() == [False, True, False]


def test_covering_the_quadrant_alone_changes_the_odds(images: Tensor) -> None:
    found = occlusion(Quadrant(), images, 1, size=4, stride=2, fill=0.0)
    assert found.shape == (3, 16, 16)
    assert min(upper_right(each) for each in found) > 0.85
    assert (found[:, 3:, :6].abs() < 1e-6).all()
    assert (found[:, :8, 9:] > 0).all()
    against = occlusion(Quadrant(), images, 0, size=4, stride=2, fill=0.0)
    torch.testing.assert_close(against, -found)


def test_occlusion_is_the_mean_over_the_squares_that_cover_a_place(images: Tensor) -> None:
    network = Quadrant()
    found = occlusion(network, images[:1], 1, size=16, stride=5, fill=0.0)
    label = torch.ones(1).long()
    before, after = (log_odds(network(x), label) for x in (images[:1], 0 * images[:1]))
    torch.testing.assert_close(found, (before - after).detach().view(1, 1, 1).expand(1, 16, 16))


def test_a_square_that_does_not_fit_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="1 <= stride <= size <= 16, found stride 4 and size 17"):
        occlusion(Quadrant(), images, 1, size=17)
    with pytest.raises(ValueError, match="found stride 5 and size 4"):
        occlusion(Quadrant(), images, 1, size=4, stride=5)


def test_a_class_that_is_not_there_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected classes from 0 to 1, found \[2, 2, 2\]"):
        grad_cam(Quadrant(), "act", images, 2)


def test_a_layer_of_no_bearing_is_refused(images: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 16), nn.Flatten(), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="expected maps that the class depends on, found none in"):
        grad_cam(network, "2", images, 1)
    assert map_layer(network, images) is None


def test_a_single_logit_speaks_for_one_and_against_nought() -> None:
    output = torch.tensor([[2.0], [-1.0]])
    assert log_odds(output, torch.tensor([1, 0])).tolist() == [2.0, 1.0]


def test_log_odds_are_those_of_the_softmax() -> None:
    output = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    share = output.softmax(1)[:, 2]
    torch.testing.assert_close(
        log_odds(output, torch.full((5,), 2)), torch.log(share / (1 - share))
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_network_shows_its_evidence(name: str) -> None:
    network, frames = small_network(name)
    network.requires_grad_(requires_grad=False)
    layer = map_layer(network, frames)
    assert (layer is None) == (name in ("mlp", "autoencoder"))
    if layer is not None:
        found = torch.stack([grad_cam(network, layer, frames, label) for label in (0, 1)])
        assert found.shape == (2, 2, *frames.shape[-2:])
        assert found.isfinite().all()
    falls = occlusion(network, frames, 1, size=14, stride=14)
    assert falls.shape == (2, *frames.shape[-2:])
    assert falls.any()

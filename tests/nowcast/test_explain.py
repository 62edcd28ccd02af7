from __future__ import annotations

import numpy as np
import pytest
import torch
from explained_networks import Stack, small_network, stripes, trained_on_stripes
from sklearn.decomposition import PCA
from torch import nn

from nowcast.explain import (
    activations,
    effective_receptive_field,
    embedding,
    first_layer_filters,
    layer_names,
    layer_shapes,
    map_layer,
    maximise,
    pca,
    strongest_images,
    tsne,
)
from nowcast.explain.layers import responses
from nowcast.models import MODELS, ConvNet
from pipeline.batch import Batch

DENSE = ("mlp", "autoencoder")


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_of_every_network_can_be_looked_at(name: str) -> None:
    network, frames = small_network(name)
    network.train()
    shapes = layer_shapes(network, frames)
    assert set(shapes) <= set(layer_names(network))
    assert len(shapes) >= 3
    seen = activations(network, list(shapes), frames)
    assert {layer: tuple(answer.shape) for layer, answer in seen.items()} == shapes
    assert all(part.training for part in network.modules())
    assert not any(part._forward_hooks for part in network.modules())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_no_answer(name: str) -> None:
    network, frames = small_network(name)
    with torch.no_grad():
        before = network.eval()(frames)
    layer = list(layer_shapes(network, frames))[-1]
    last = activations(network, [layer], frames)[layer]
    with torch.no_grad():
        assert torch.equal(network(frames), before)
    if last.shape == before.shape:
        assert torch.equal(last, before)


def test_an_activation_is_what_the_layer_gave_before_the_next_worked_in_place() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    nn.init.constant_(network[0].weight, -1.0)
    nn.init.zeros_(network[0].bias)
    seen = activations(network, ["0", "1"], torch.ones(1, 1, 2, 2))
    assert seen["0"].unique().tolist() == [-1.0]
    assert seen["1"].unique().tolist() == [0.0]


def test_a_layer_that_is_not_there_is_refused() -> None:
    network, frames = small_network("convnet")
    with pytest.raises(ValueError, match=r"ConvNet has no layer 'depth'; it has 'levels.0'"):
        activations(network, ["depth"], frames)
    network.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="layer 'spare' did not run; choose one that layer_shapes"):
        activations(network, ["spare"], frames)


def test_first_filters_are_the_weights_of_the_first_layer() -> None:
    network, _ = small_network("convnet")
    assert isinstance(network, ConvNet)
    assert torch.equal(first_layer_filters(network), network.levels[0][0].weight)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 5))
    assert torch.equal(first_layer_filters(dense, 3).flatten(1), dense[1].weight)
    with pytest.raises(ValueError, match="expected a convolution, or a first dense layer of"):
        first_layer_filters(dense, 2)


def test_principal_components_are_those_of_an_oracle() -> None:
    features = torch.randn(60, 7, generator=torch.Generator().manual_seed(0)) @ torch.randn(7, 7)
    ours, theirs = pca(features, 3), PCA(3).fit(features.numpy())
    places = theirs.transform(features.numpy())
    signs = np.sign((ours.places.numpy() * places).sum(0))
    np.testing.assert_allclose(ours.places.numpy(), signs * places, atol=1e-4)
    np.testing.assert_allclose(ours.share.numpy(), theirs.explained_variance_ratio_, rtol=1e-5)


def test_principal_components_need_enough_images() -> None:
    with pytest.raises(ValueError, match="pca: expected at least 2 images and features, found 1"):
        pca(torch.rand(1, 5))
    with pytest.raises(ValueError, match="tsne: expected at least 4 images, found 3"):
        tsne(torch.rand(3, 5))


def test_neighbours_stay_neighbours_and_the_seed_decides() -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    features[20:] += 30
    places = tsne(features, seed=3).places
    assert torch.equal(places, tsne(features, seed=3).places)
    distances = torch.cdist(places, places)
    nearest = distances.fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(nearest >= 20, torch.arange(40) >= 20)


def test_embedding_averages_maps_and_keeps_the_order_of_the_images() -> None:
    network, _ = small_network("convnet")
    images, _ = stripes(10)
    features = embedding(network, "levels.1", images.split(4))
    whole = activations(network, ["levels.1"], images)["levels.1"].mean((-2, -1))
    torch.testing.assert_close(features, whole)
    with pytest.raises(ValueError, match="embedding: expected at least one batch"):
        embedding(network, "levels.1", [])
    with pytest.raises(TypeError, match=r"found Batch; give task\.pose"):
        embedding(network, "levels.1", [Batch(images)])


def test_strongest_images_are_the_first_of_all_in_order() -> None:
    network, _ = small_network("convnet")
    images, _ = stripes(23)
    found = strongest_images(network, "levels.1", 2, images.split(5), k=4)
    answers = embedding(network, "levels.1", [images])[:, 2]
    order = answers.argsort(descending=True)[:4]
    assert found.places.tolist() == order.tolist()
    torch.testing.assert_close(found.values, answers[order])
    assert torch.equal(found.images, images[order])
    with pytest.raises(ValueError, match=r"layer 'levels\.1': expected a channel from 0 to 7"):
        strongest_images(network, "levels.1", 8, [images])


@pytest.mark.parametrize(("layer", "channel"), [("head", 0), ("head", 1), ("levels.1", 3)])
def test_ascent_goes_beyond_every_image_of_the_data(layer: str, channel: int) -> None:
    network = trained_on_stripes()
    images, _ = stripes()
    most = responses(activations(network, [layer], images)[layer])[:, channel].max()
    found = maximise(network, layer, channel, (1, 16, 16), steps=128)
    assert found.response > float(most)
    assert found.path[-1] > found.path[0]
    assert found.image.min() >= 0
    assert found.image.max() <= 1
    answer = activations(network, [layer], found.image[None])[layer]
    assert float(responses(answer)[0, channel]) == pytest.approx(found.response, rel=1e-4)


def test_ascent_keeps_its_bounds_and_depends_on_the_seed_alone() -> None:
    network = trained_on_stripes()
    bounds = torch.tensor([[[-2.0]]]), torch.tensor([[[3.0]]])
    runs = [maximise(network, "head", 0, (1, 16, 16), 5, seed, bounds) for seed in (1, 1, 2)]
    assert torch.equal(runs[0].image, runs[1].image)
    assert not torch.equal(runs[0].image, runs[2].image)
    assert runs[0].image.min() >= -2
    assert 1 < runs[0].image.max() <= 3


@pytest.mark.parametrize("count", [2, 8])
def test_stacked_convolutions_see_within_their_theoretical_field_and_mostly_its_middle(
    count: int,
) -> None:
    side = 31
    field = effective_receptive_field(Stack(count), f"convs.{count - 1}", (1, side, side))
    assert field.extent == (2 * count + 1, 2 * count + 1)
    assert field.effective_side < 2 * count + 1 or count == 2
    box = torch.ones(1)
    for _ in range(count):
        box = torch.nn.functional.conv1d(box[None, None], torch.ones(1, 1, 3), padding=2)[0, 0]
    expected = torch.zeros(side)
    expected[side // 2 - count : side // 2 + count + 1] = box / box.max()
    torch.testing.assert_close(field.influence, torch.outer(expected, expected))


def test_a_deep_field_is_like_a_gaussian_of_the_same_width() -> None:
    count, side = 10, 41
    field = effective_receptive_field(Stack(count), "convs", (1, side, side))
    away = torch.arange(side) - side // 2
    normal = torch.exp(-(away**2) / (2 * count * 2 / 3))
    assert (field.influence - torch.outer(normal, normal)).abs().max() < 0.03


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DENSE])
def test_every_network_with_maps_has_a_receptive_field(name: str) -> None:
    network, frames = small_network(name)
    layer = map_layer(network, frames)
    assert layer is not None
    field = effective_receptive_field(network, layer, tuple(frames.shape[1:]), 2, frames=frames)
    assert field.influence.shape == frames.shape[-2:]
    assert float(field.influence.max()) == 1


def test_vectors_have_no_receptive_field() -> None:
    network, frames = small_network("convnet")
    with pytest.raises(ValueError, match="expected a layer with maps, found 'head' without"):
        effective_receptive_field(network, "head", tuple(frames.shape[1:]))
    nn.init.zeros_(network.levels[0][0].weight)
    with pytest.raises(ValueError, match=r"inputs with an influence on layer 'levels\.1'"):
        effective_receptive_field(network, "levels.1", tuple(frames.shape[1:]))

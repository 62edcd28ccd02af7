"""What is shown of codes."""

from typing import Any

import pytest
import torch

from nowcast.explain.codes import (
    codes_of,
    interpolation,
    latent_map,
    prior_samples,
    quiet_share,
    traversals,
)
from nowcast.explain.embedding import pca
from nowcast.models import build_network


def network_of(name: str, **options: object) -> Any:
    torch.manual_seed(0)
    return build_network(name, 1, 1, options).eval()


def test_codes_are_laid_out_in_the_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("autoencoder", size=4, widths=(5,))
    batches = [torch.rand(6, 1, 4, 4), torch.rand(3, 1, 4, 4)]
    codes = codes_of(network, batches)
    assert codes.shape == (9, 5)
    torch.testing.assert_close(codes[6:], network.encode(batches[1]))
    assert torch.equal(latent_map(codes).places, pca(codes).places)
    monkeypatch.setattr("nowcast.explain.codes.tsne", lambda codes, seed: seed)
    assert latent_map(codes, "tsne", seed=7) == 7
    assert torch.equal(latent_map(codes[:, :2]).places, codes[:, :2])
    maps = network_of("autoencoder-conv", size=4, code=None, widths=(2,))
    assert codes_of(maps, batches).shape == (9, 8)
    with pytest.raises(ValueError, match="expected at least one batch, found none"):
        codes_of(network, [])
    with pytest.raises(ValueError, match=r"no method 'umap'; there are \['pca', 'tsne'\]"):
        latent_map(codes, "umap")


def test_a_traversal_changes_one_number_of_a_code() -> None:
    network = network_of("vae", size=4, code=3).train()
    code = torch.tensor([0.3, -0.2, 0.1])
    images = traversals(network, code, [2, 0], [-1, 0.1, 2])
    assert images.shape == (2, 3, 1, 4, 4)
    assert network.training
    network.eval()
    torch.testing.assert_close(images[0, 1], network.decode(code[None])[0])
    torch.testing.assert_close(images[1, 2], network.decode(torch.tensor([[2, -0.2, 0.1]]))[0])
    with pytest.raises(ValueError, match=r"numbers from 0 to 2, found .* and \[3\]"):
        traversals(network, code, [3], [0])


def test_samples_follow_the_seed_and_lines_join_two_images() -> None:
    network = network_of("vae", size=4, code=3)
    samples = prior_samples(network, 3, 5, seed=1)
    assert samples.shape == (5, 1, 4, 4)
    assert torch.equal(samples, prior_samples(network, 3, 5, seed=1))
    assert not torch.equal(samples, prior_samples(network, 3, 5, seed=2))
    first, last = torch.rand(2, 1, 4, 4)
    line = interpolation(network, first, last, 5)
    torch.testing.assert_close(line[[0, -1]], network(torch.stack([first, last])))
    with pytest.raises(ValueError, match="expected at least 2 steps, found 1"):
        interpolation(network, first, last, 1)


def test_quiet_units_are_counted() -> None:
    codes = torch.tensor([[0.0, 0.04, 1.0], [0.0, -2.0, 1.0]])
    assert quiet_share(codes).tolist() == [1.0, 0.5, 0.0]

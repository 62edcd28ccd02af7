from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from nowcast.denoisers import NetworkDenoiser, PCADenoiser, pca_curve
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask


def images(count: int, *shape: int, seed: int = 0) -> Tensor:
    """Images of which a few directions hold most of the variance."""
    rng = np.random.default_rng(seed)
    pixels = math.prod(shape)
    mixing = np.random.default_rng(9).standard_normal((pixels, pixels))
    spread = rng.standard_normal((count, pixels)) * 40 / (1 + np.arange(pixels))
    return torch.from_numpy((128 + spread @ mixing).reshape(count, *shape).astype(np.float32))


@pytest.mark.parametrize("count", [200, 20])
def test_the_curve_is_that_of_scikit_learn_at_every_width(count: int) -> None:
    train, test = images(count, 1, 5, 6), images(50, 1, 5, 6, seed=1)
    widths = [1, 2, 5, 12, 19]
    errors = []
    for width in widths:
        pca = PCA(width, svd_solver="full").fit(train.flatten(1).double().numpy())
        flat = test.flatten(1).double().numpy()
        errors.append(((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).mean())
    np.testing.assert_allclose(pca_curve(train, test, widths).numpy(), errors, rtol=1e-6)


def test_the_curve_falls_to_nothing_at_full_width() -> None:
    train = images(100, 2, 3, 4)
    curve = pca_curve(train, train, range(25))
    assert (curve.diff() <= 1e-9).all()
    assert curve[24] < 1e-6 * curve[0]
    flat = train.flatten(1).double()
    torch.testing.assert_close(curve[0], (flat - flat.mean(0)).square().mean())


def test_the_curve_is_the_error_of_the_denoiser_of_each_width() -> None:
    train, test = images(60, 1, 4, 4), images(30, 1, 4, 4, seed=3)
    for width in (1, 4, 9):
        restored = PCADenoiser.fit(train, width).denoise(test)
        measured = (restored.double() - test.double()).square().mean()
        torch.testing.assert_close(pca_curve(train, test, [width])[0], measured, rtol=1e-4, atol=0)


def test_pca_takes_noise_out_that_lies_beyond_its_components() -> None:
    train = images(400, 1, 6, 6)
    clean = PCADenoiser.fit(train, 3).denoise(train[:50])
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal(clean.shape)).float() * 30
    restored = PCADenoiser.fit(train, 3).denoise(clean + noise)
    kept = (restored - clean).square().mean() / noise.square().mean()
    # of 36 directions 3 are kept, and with them 3 / 36 of the noise
    assert abs(kept - 3 / 36) < 5 * math.sqrt(2 * 3 / 50) / 36


def test_components_are_orthonormal_and_codes_restore_images() -> None:
    train = images(100, 1, 4, 4)
    pca = PCADenoiser.fit(train, 16)
    assert pca.words == "PCA of width 16"
    identity = pca.components @ pca.components.T
    torch.testing.assert_close(identity, torch.eye(16, dtype=torch.float64))
    torch.testing.assert_close(pca.decode(pca.encode(train)).float(), train, rtol=1e-4, atol=1e-2)


def test_pca_takes_missing_pixels_for_the_mean_and_leaves_them_missing() -> None:
    train = images(50, 1, 4, 4)
    train[3, 0, 1, 1] = math.nan
    pca = PCADenoiser.fit(train, 4)
    torch.testing.assert_close(pca.mean[0, 1, 1].float(), train[:, 0, 1, 1].nanmean())
    noisy = train[:5].clone()
    noisy[0, 0, 0] = math.nan
    restored = pca.denoise(noisy)
    assert torch.equal(restored.isnan(), noisy.isnan())
    filled = torch.where(noisy.isnan(), pca.mean.float(), noisy)
    known = ~noisy.isnan()
    torch.testing.assert_close(pca.denoise(filled)[known], restored[known])


def test_widths_beyond_images_and_pixels_are_refused() -> None:
    train = images(10, 1, 4, 4)
    with pytest.raises(ValueError, match=r"expected a width of 1 … 10 .*found 11"):
        PCADenoiser.fit(train, 11)
    with pytest.raises(ValueError, match=r"expected widths of 0 … 10 .*found \[3, 20\]"):
        pca_curve(train, train, [3, 20])


class Halving(nn.Module):
    """Halves what it sees, by a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, frames: Tensor) -> Tensor:
        assert not self.training
        self.seen = frames
        return frames * self.weight


def test_a_network_restores_in_physical_units_and_leaves_missing_what_is() -> None:
    network = Halving().train()
    one = NetworkDenoiser(network, DenoiseTask(scaling=MinMax(0, 255)), name="halved")
    noisy = torch.full((300, 1, 4, 4), 100.0)
    noisy[7, 0, 0, 0] = math.nan
    restored = one.denoise(noisy)
    assert one.words == "halved"
    assert torch.equal(restored.isnan(), noisy.isnan())
    torch.testing.assert_close(restored[~noisy.isnan()], noisy[~noisy.isnan()] / 2)
    assert network.seen.isfinite().all()


def test_a_network_in_mixed_precision_answers_in_float32() -> None:
    layer = nn.Conv2d(1, 1, 1)
    task = DenoiseTask(scaling=MinMax(0, 255))
    noisy = images(3, 1, 8, 8)
    exact = NetworkDenoiser(layer, task).denoise(noisy)
    mixed = NetworkDenoiser(layer, task, precision="bf16-mixed").denoise(noisy)
    assert mixed.dtype == torch.float32
    assert not torch.equal(mixed, exact)
    torch.testing.assert_close(mixed, exact, rtol=0.02, atol=2)

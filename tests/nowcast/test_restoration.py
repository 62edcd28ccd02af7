from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from nowcast.evaluation import (
    FeatureTally,
    RestorationTally,
    compare_restored,
    frechet_distance,
    image_psnr,
    image_ssim,
)
from nowcast.evaluation.restoration import CEILING


def images(count: int = 6, channels: int = 1, side: int = 20, sigma: float = 30.0) -> list[Tensor]:
    """Restored and clean."""
    rng = np.random.default_rng(count + channels)
    clean = rng.uniform(0, 255, (count, channels, side, side)).cumsum(-1) / np.arange(1, side + 1)
    noisy = clean + rng.normal(0, sigma, clean.shape)
    return [torch.from_numpy(held.astype(np.float32)) for held in (noisy, clean)]


def tally_of(restored: Tensor, clean: Tensor) -> RestorationTally:
    tally = RestorationTally()
    tally.update(restored, clean)
    return tally


@pytest.mark.parametrize("channels", [1, 3])
def test_scores_are_those_of_scikit_image(channels: int) -> None:
    restored, clean = images(channels=channels)
    tally = tally_of(restored, clean)
    pairs = list(zip(restored.clamp(0, 255).double().numpy(), clean.double().numpy(), strict=True))
    error = np.mean([mean_squared_error(true, held) for held, true in pairs])
    level = np.mean([peak_signal_noise_ratio(true, held, data_range=255) for held, true in pairs])
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    alike = np.mean(
        [structural_similarity(a, b, data_range=255, channel_axis=0, **wang) for a, b in pairs]
    )
    assert tally.images == len(clean)
    assert tally.mse() == pytest.approx(error, rel=1e-9)
    assert tally.psnr() == pytest.approx(level, rel=1e-9)
    assert tally.ssim() == pytest.approx(alike, rel=1e-7)


def test_tallies_add_to_the_same_in_any_order_and_any_parts() -> None:
    restored, clean = images(9)
    whole = tally_of(restored, clean)
    parts = [tally_of(restored[part], clean[part]) for part in (slice(0, 2), slice(2, 3))]
    rest = tally_of(restored[3:], clean[3:])
    assert (rest + parts[1] + parts[0]).sums == whole.sums
    assert (parts[0] + (parts[1] + rest)).psnr_interval() == whole.psnr_interval()


def test_an_even_error_has_the_psnr_of_its_square() -> None:
    clean = torch.full((2, 1, 16, 16), 100.0)
    tally = tally_of(clean + 25.5, clean)
    assert tally.mse() == pytest.approx(25.5**2)
    assert tally.psnr() == pytest.approx(20.0)
    assert tally.psnr_interval() == pytest.approx((20.0, 20.0))


def test_an_image_without_error_counts_at_the_ceiling() -> None:
    clean = torch.full((1, 1, 16, 16), 7.0)
    tally = tally_of(clean, clean)
    assert (tally.mse(), tally.psnr(), tally.ssim()) == (0.0, CEILING, pytest.approx(1.0))


def test_pixels_beyond_white_and_black_are_clipped_before_they_are_compared() -> None:
    clean = torch.full((1, 1, 12, 12), 255.0)
    assert tally_of(clean + 80, clean).mse() == 0
    assert tally_of(torch.full_like(clean, -50.0), clean).mse() == 255**2


def test_the_interval_is_that_of_the_mean_of_images() -> None:
    restored, clean = images(40)
    levels = image_psnr(restored, clean)
    reach = 1.959964 * levels.std(ddof=1) / math.sqrt(len(levels))
    low, high = tally_of(restored, clean).psnr_interval()
    assert (low, high) == pytest.approx((levels.mean() - reach, levels.mean() + reach), rel=1e-6)


def test_scores_are_undefined_without_images_and_ssim_in_images_below_its_window() -> None:
    nothing = RestorationTally()
    assert all(math.isnan(score) for score in (nothing.mse(), nothing.psnr(), nothing.ssim()))
    assert all(map(math.isnan, nothing.psnr_interval()))
    restored, clean = images(side=10)
    small = tally_of(restored, clean)
    assert math.isnan(small.ssim())
    assert math.isfinite(small.psnr())
    assert np.isnan(image_ssim(restored, clean)).all()


def test_images_of_another_shape_or_without_numbers_are_refused() -> None:
    restored, clean = images()
    with pytest.raises(ValueError, match=r"expected \(B, C, H, W\) like the clean ones"):
        tally_of(restored[:2], clean)
    restored[1, 0, 3, 3] = math.nan
    with pytest.raises(ValueError, match="expected finite pixels, found 1 of 6 images without"):
        tally_of(restored, clean)


def test_frechet_distance_of_normal_features_is_that_of_their_means_and_widths() -> None:
    rng = np.random.default_rng(3)
    basis = torch.from_numpy(rng.normal(size=(40_000, 3)))
    basis = (basis - basis.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(basis.T.cov())).T
    scales, shift = torch.tensor([2.0, 1.0, 0.5]).double(), torch.tensor([1.0, -2.0, 0.0]).double()
    found = frechet_distance(basis, basis * scales + shift)
    assert found == pytest.approx(5.0 + 1.0 + 0.25, rel=1e-6)
    assert frechet_distance(basis, basis) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_is_that_of_the_root_of_the_product_of_covariances() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(2, 300, 4)) @ rng.normal(size=(2, 4, 4))
    covariances = [np.cov(held.T) for held in (first, second)]
    gap = np.square(first.mean(0) - second.mean(0)).sum()
    traces = sum(np.trace(held) for held in covariances)
    expected = gap + traces - 2 * np.trace(sqrtm(covariances[0] @ covariances[1])).real
    found = frechet_distance(torch.from_numpy(first), torch.from_numpy(second))
    assert found == pytest.approx(expected, rel=1e-9)
    turned = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    again = frechet_distance(torch.from_numpy(second @ turned), torch.from_numpy(first @ turned))
    assert again == pytest.approx(found, rel=1e-9)


def test_feature_tallies_add_to_the_whole() -> None:
    features = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double() + 1e4
    whole, parts = FeatureTally(3), [FeatureTally(3) for _ in range(3)]
    whole.update(features)
    for part, rows in zip(parts, features.split([7, 1, 42]), strict=True):
        part.update(rows)
    both = parts[2] + parts[0] + parts[1]
    assert both.images == 50
    assert both.covariance() == pytest.approx(np.cov(features.numpy().T), rel=1e-6)
    assert both.distance(whole) == pytest.approx(0.0, abs=1e-8)


def test_frechet_distance_is_undefined_of_one_image_and_refuses_features_of_another_layer() -> None:
    one, two = FeatureTally(3), FeatureTally(3)
    one.update(torch.ones(1, 3))
    two.update(torch.eye(3))
    assert math.isnan(one.distance(two))
    assert math.isfinite(two.distance(two))
    with pytest.raises(ValueError, match="expected 3 features of both, found 4"):
        two.distance(FeatureTally(4))
    with pytest.raises(ValueError, match="expected two of 3 features, found one of 4"):
        two + FeatureTally(4)
    with pytest.raises(ValueError, match=r"expected \(B, 3\) features, found \(2, 5\)"):
        two.update(torch.ones(2, 5))
    with pytest.raises(ValueError, match="expected finite features"):
        two.update(torch.full((2, 3), math.inf))


def test_methods_are_compared_image_by_image() -> None:
    first, second = np.array([30.0, 25.0, 31.0, 20.0]), np.array([28.0, 24.0, 28.0, 20.0])
    gain = compare_restored(first, second)
    reach = 1.959964 * np.std([2, 1, 3, 0], ddof=1) / 2
    assert gain == pytest.approx((1.5, 1.5 - reach, 1.5 + reach, 0.75), rel=1e-6)
    with pytest.raises(ValueError, match="expected the same images of both methods, found 4 and 3"):
        compare_restored(first, second[:3])

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import restoration
from torch import Tensor

from nowcast.denoisers import CLASSIC, ClassicDenoiser, tuned
from nowcast.denoisers import classic as classics

SIGMA = 0.2
NEEDED = {"bm3d": "bm3d"}
NAMES = sorted(CLASSIC)


def denoiser(name: str) -> ClassicDenoiser:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    grid = CLASSIC[name].grid(SIGMA)
    quick = {"exact": False} if name == "bm3d" else {}
    return CLASSIC[name].with_({**grid[len(grid) // 2], **quick})


def scenes(count: int = 2, channels: int = 1, side: int = 20) -> tuple[Tensor, Tensor]:
    """Noisy and clean images of a bright square before a slope."""
    clean = torch.linspace(20, 100, side).expand(count, channels, side, side).clone()
    clean[..., 6:14, 5:12] = 220
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(clean.shape, dtype=np.float32) * (SIGMA * 255)
    return clean + torch.from_numpy(noise), clean


def error(restored: Tensor, clean: Tensor) -> float:
    return float((restored.clamp(0, 255) - clean).square().mean())


def direct_bm3d(image: np.ndarray, **options: Any) -> np.ndarray:
    bm3d = pytest.importorskip("bm3d")
    profile = bm3d.BM3DProfile()
    profile.num_threads, profile.nf = 1, profile.nf if options["exact"] else 0
    apply = bm3d.bm3d if image.ndim == 2 else bm3d.bm3d_rgb
    restored: np.ndarray = apply(image, options["sigma"], profile)
    return restored


def axis_of(image: np.ndarray) -> int | None:
    return -1 if image.ndim == 3 else None


DIRECT: dict[str, Callable[..., np.ndarray]] = {
    "nothing": lambda image: image,
    "mean": lambda image, size: ndimage.uniform_filter(image, size, axes=(0, 1)),
    "median": lambda image, size: ndimage.median_filter(image, size, axes=(0, 1)),
    "gaussian": lambda image, width: ndimage.gaussian_filter(image, width, axes=(0, 1)),
    "tv": lambda image, weight: restoration.denoise_tv_chambolle(
        image, weight, channel_axis=axis_of(image)
    ),
    "nlm": lambda image, patch, distance, h, sigma: restoration.denoise_nl_means(
        image, patch, distance, h, True, sigma, channel_axis=axis_of(image)
    ),
    "wavelet": lambda image, method, family, levels, shifts, sigma: np.mean(
        [
            np.roll(
                restoration.denoise_wavelet(
                    np.roll(image, (i, j), (0, 1)),
                    sigma if image.ndim == 2 else [sigma] * 3,
                    family,
                    wavelet_levels=levels,
                    method=method,
                    channel_axis=axis_of(image),
                ),
                (-i, -j),
                (0, 1),
            )
            for i in range(shifts + 1)
            for j in range(shifts + 1)
        ],
        0,
    ),
    "bm3d": direct_bm3d,
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(DIRECT))
def test_each_equals_a_direct_call_of_its_library(name: str, channels: int) -> None:
    noisy, _ = scenes(1, channels)
    unit = noisy[0].permute(1, 2, 0).numpy() / np.float32(255)
    one = denoiser(name)
    expected = DIRECT[name](unit if channels == 3 else unit[..., 0], **one.parameters)
    restored = one.denoise(noisy)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(restored, expected.reshape(restored.shape) * 255, atol=0.01)


def weighted_mean(image: np.ndarray, colour: float, width: float) -> np.ndarray:
    """The bilateral filter by its formula; image (H, W, C), edges repeated."""
    reach = math.ceil(3 * width)
    padded = np.pad(image, [(reach, reach), (reach, reach), (0, 0)], "edge")
    total, weights = np.zeros_like(image), np.zeros((*image.shape[:2], 1))
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            other = padded[i : i + image.shape[0], j : j + image.shape[1]]
            far = ((i - reach) ** 2 + (j - reach) ** 2) / width**2
            unlike = ((other - image) ** 2).sum(2, keepdims=True) / colour**2
            weight = np.exp(-(far + unlike) / 2)
            total, weights = total + weight * other, weights + weight
    return total / weights


@pytest.mark.parametrize("channels", [1, 3])
def test_the_bilateral_filter_is_its_formula(channels: int) -> None:
    noisy, _ = scenes(1, channels)
    one = CLASSIC["bilateral"].with_({"colour": 0.4, "width": 1.2})
    unit = noisy[0].permute(1, 2, 0).double().numpy() / 255
    restored = one.denoise(noisy)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(restored, weighted_mean(unit, 0.4, 1.2) * 255, atol=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 18, 23), (1, 3, 18, 18), (2, 2, 17, 16), (0, 1, 8, 8)])
def test_each_keeps_the_shape(name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    noisy = torch.from_numpy(rng.uniform(-50, 300, shape).astype(np.float32))
    restored = denoiser(name).denoise(noisy)
    assert restored.shape == shape
    assert restored.dtype == torch.float32
    assert restored.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 1, 12), (1, 1, 12, 1), (1, 1, 1, 1)])
def test_a_constant_image_stays_even_of_one_pixel(name: str, shape: tuple[int, ...]) -> None:
    one = denoiser(name)
    for value in (0.0, 90.0):
        grey = torch.full(shape, value)
        torch.testing.assert_close(one.denoise(grey), grey, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_missing_pixels_stay_missing_and_spoil_no_other(name: str) -> None:
    noisy, _ = scenes(2, side=16)
    noisy[0, 0, 4:7, 3:8] = math.nan
    noisy[1] = math.nan
    restored = denoiser(name).denoise(noisy)
    assert torch.equal(restored.isnan(), noisy.isnan())
    known = restored[~restored.isnan()]
    assert known.min() > -300
    assert known.max() < 600


@pytest.mark.parametrize("name", sorted({*NAMES} - {"nothing"}))
def test_each_takes_noise_out_of_an_image_when_tuned(name: str) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    noisy, clean = scenes(1)
    assert error(tuned(name, noisy, clean, SIGMA).denoise(noisy), clean) < error(noisy, clean) / 2


def test_the_median_removes_salt_and_pepper_where_the_mean_cannot() -> None:
    clean = scenes(2)[1]
    drawn = torch.from_numpy(np.random.default_rng(0).random(clean.shape))
    noisy = clean.masked_fill(drawn < 0.1, 0).masked_fill(drawn > 0.9, 255)
    mean, median = (
        error(tuned(name, noisy, clean).denoise(noisy), clean) for name in ("mean", "median")
    )
    assert median < 0.4 * mean


def test_tuning_finds_the_best_of_the_grid() -> None:
    noisy, clean = scenes(3)
    known = torch.ones_like(clean, dtype=torch.bool)
    tried = CLASSIC["bilateral"].grid(SIGMA)
    quality = [
        (10 * torch.log10(255**2 / (one.clamp(0, 255) - clean).square().mean((1, 2, 3)))).mean()
        for one in (CLASSIC["bilateral"].with_(parameters).denoise(noisy) for parameters in tried)
    ]
    assert known.all()
    assert tuned("bilateral", noisy, clean, SIGMA).parameters == tried[int(np.argmax(quality))]


def test_one_parameter_may_be_chosen_before_the_others() -> None:
    asked: list[dict[str, float]] = []

    def apply(image: np.ndarray, a: int, b: int, c: float) -> np.ndarray:
        asked.append({"a": a, "b": b, "c": c})
        return np.full_like(image, 0.2 + 0.01 * (a - 2) ** 2 + 0.02 * (b - 1) ** 2 + c)

    rising = {"a": (1, 2, 3), "b": (1, 5), "c": (0.3, 0.1, 0.2)}
    one = classics.Classic("toy", apply, rising, first="a")
    dark = torch.zeros(1, 1, 5, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CLASSIC, "toy", one)
        found = tuned("toy", dark + 1, dark, 0.1).parameters
    assert found == {"a": 2, "b": 1, "c": 0.1}
    begun = [{"a": a, "b": 5, "c": 0.1} for a in (1, 2, 3)]
    assert asked[:3] == begun == one.begin(0.1)
    assert {tried["a"] for tried in asked[3:]} == {2}
    assert len(asked) == 3 + 2 * 3 - 1
    assert len(one.grid(0.1)) == 18


def test_no_method_is_tried_with_more_than_15_parameters() -> None:
    for name, classic in CLASSIC.items():
        grid, begun = classic.grid(SIGMA), classic.begin(SIGMA)
        assert all(parameters in grid for parameters in begun)
        kept = begun[0].get(classic.first)
        tried = [held for held in grid if held.get(classic.first) == kept or held in begun]
        assert len(tried) <= (12 if name in ("nlm", "wavelet") else 15), name


def test_without_a_level_the_equivalent_deviation_is_measured() -> None:
    clean = torch.full((1, 1, 20, 20), 128.0)
    noisy = clean + 51 * (1 - 2 * (torch.arange(20) % 2))
    noisy[..., 0], clean[..., 1] = math.nan, math.nan
    assert tuned("nlm", noisy, clean).parameters["sigma"] == pytest.approx(0.2)


def test_the_grid_is_of_the_level_and_never_of_zero() -> None:
    assert CLASSIC["tv"].grid(0.4)[0] == {"weight": pytest.approx(0.04)}
    assert all(one["h"] > 0 and one["sigma"] > 0 for one in CLASSIC["nlm"].grid(0))
    assert CLASSIC["nothing"].grid(0.3) == [{}]


def test_words_name_the_method_and_its_parameters() -> None:
    assert CLASSIC["nothing"].with_({}).words == "nothing done"
    assert CLASSIC["tv"].with_({"weight": 0.0312}).words == "total variation (weight 0.0312)"
    assert CLASSIC["mean"].with_({"size": 3}).words == "mean (size 3)"


def test_unknown_methods_and_images_without_pixels_are_refused() -> None:
    images = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"no classic denoiser 'magic'; there are .*'bm3d'"):
        tuned("magic", images, images, 0.1)
    with pytest.raises(ValueError, match="mean: expected images to tune on, found no pixel"):
        tuned("mean", images * math.nan, images, 0.1)


def test_without_its_package_bm3d_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bm3d", None)
    monkeypatch.setattr(classics, "find_spec", lambda name: None if name == "bm3d" else name)
    assert not CLASSIC["bm3d"].available
    assert CLASSIC["tv"].available
    with pytest.raises(ValueError, match=r"bm3d: expected the package.*pip install bm3d"):
        CLASSIC["bm3d"].with_({"sigma": 0.1}).denoise(torch.zeros(1, 1, 16, 16))


def test_bm3d_is_by_default_the_exact_one_and_takes_grey_photographs_in_colour() -> None:
    bm3d = pytest.importorskip("bm3d")
    noisy, _ = scenes(1)
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    one = CLASSIC["bm3d"].with_({"sigma": SIGMA})
    grey = one.denoise(noisy)
    expected = bm3d.bm3d(noisy[0, 0].numpy() / np.float32(255), SIGMA, profile) * 255
    np.testing.assert_allclose(grey[0, 0].numpy(), expected, atol=0.01)
    quick = CLASSIC["bm3d"].with_({"sigma": SIGMA, "exact": False})
    in_colour = quick.denoise(noisy.repeat(1, 3, 1, 1))
    torch.testing.assert_close(in_colour, quick.denoise(noisy).repeat(1, 3, 1, 1))

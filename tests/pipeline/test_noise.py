from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.batch import NO_ECHO
from pipeline.noise import NOISES, Noise, noise_of

SIDE, COUNT = 64, 40
PIXELS = SIDE * SIDE * COUNT
SURE = 5


def noisy(value: float, channels: int = 1, seed: int = 0, **options: object) -> Tensor:
    frames = torch.full((COUNT, channels, SIDE, SIDE), value)
    return noise_of(options)(frames, np.random.default_rng(seed))


def assert_moments(values: Tensor, mean: float, variance: float, fourth: float = 3) -> None:
    """Within SURE standard errors; `fourth` is the kurtosis of the distribution."""
    count, values = values.numel(), values.double()
    assert abs(values.mean() - mean) < SURE * math.sqrt(variance / count)
    assert abs(values.var() / variance - 1) < SURE * math.sqrt((fourth - 1) / count)


def assert_share(share: float, expected: float, count: int = PIXELS) -> None:
    assert abs(share - expected) < SURE * math.sqrt(expected * (1 - expected) / count)


def samples(kind: str, shape: tuple[int, ...] = (4, 1, 20, 24)) -> Tensor:
    rng = np.random.default_rng(5)
    low, high = (-10.0, 50.0) if NOISES[kind].radar else (0.0, 255.0)
    frames = torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))
    if NOISES[kind].radar:
        frames[frames < 5] = NO_ECHO
    return frames


def at_work(kind: str) -> Noise:
    return noise_of({"kind": kind, "level": 20.0 if kind == "receiver" else 0.4})


def test_gaussian_noise_has_its_deviation_in_shares_of_white() -> None:
    assert_moments(noisy(100, kind="gaussian", level=0.3), 100, (0.3 * 255) ** 2)


def test_gaussian_noise_is_cut_off_only_if_asked() -> None:
    free = noisy(10, kind="gaussian", level=0.3)
    cut = noisy(10, kind="gaussian", level=0.3, clip=True)
    assert free.min() < 0
    assert torch.equal(cut, free.clamp(0, 255))


def test_speckle_is_in_proportion_to_the_pixel() -> None:
    assert_moments(noisy(100, kind="speckle", level=0.2), 100, (0.2 * 100) ** 2)
    assert not noisy(0, kind="speckle", level=0.2).any()


@pytest.mark.parametrize("value", [20.0, 200.0])
def test_poisson_noise_counts_photons(value: float) -> None:
    level = 0.1
    photons = value / 255 / level**2
    counted = noisy(value, kind="poisson", level=level)
    assert_moments(counted, value, value * 255 * level**2, 3 + 1 / photons)
    steps = counted.double() / (255 * level**2)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)


def test_salt_and_pepper_turns_a_share_white_and_as_much_black() -> None:
    changed = noisy(100, channels=3, kind="salt_and_pepper", level=0.3)
    assert torch.equal(changed[:, 0], changed[:, 2])
    assert set(changed.unique().tolist()) == {0.0, 100.0, 255.0}
    assert_share(float((changed[:, 0] == 255).float().mean()), 0.15)
    assert_share(float((changed[:, 0] == 0).float().mean()), 0.15)


def test_masking_sets_a_share_of_whole_pixels_to_zero() -> None:
    changed = noisy(100, channels=3, kind="masking", level=0.25)
    assert torch.equal(changed[:, 0], changed[:, 2])
    assert set(changed.unique().tolist()) == {0.0, 100.0}
    assert_share(float((changed[:, 0] == 0).float().mean()), 0.25)


def test_each_image_draws_its_own_level_evenly_between_the_bounds() -> None:
    frames = torch.full((2000, 1, 8, 8), 100.0)
    changed = noise_of({"kind": "masking", "level": (0.2, 0.6)})(frames, np.random.default_rng(2))
    shares = (changed == 0).double().mean((1, 2, 3))
    assert_moments(shares, 0.4, 0.4**2 / 12 + 0.4 * 0.6 / 64 - 0.4**2 / 12 / 64)
    assert shares.min() < 0.2
    assert shares.max() > 0.6


def test_at_fixes_the_level_and_keeps_the_rest() -> None:
    some = noise_of({"kind": "gaussian", "level": (0.1, 0.5), "clip": True})
    fixed = some.at(0.2)
    assert (fixed.kind, fixed.level, fixed.options) == ("gaussian", (0.2, 0.2), some.options)
    assert fixed.words == "σ as a share of white"


@pytest.mark.parametrize("kind", NOISES)
def test_the_generator_alone_decides(kind: str) -> None:
    frames, noise = samples(kind), at_work(kind)
    kept = frames.clone()
    one, again, other = (noise(frames, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == frames.shape
    assert one.dtype == torch.float32
    torch.testing.assert_close(one, again, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(one.nan_to_num(-99), other.nan_to_num(-99))
    assert not torch.equal(one, frames)
    assert torch.equal(frames, kept)


@pytest.mark.parametrize("kind", NOISES)
def test_a_missing_pixel_stays_missing_and_harms_no_other(kind: str) -> None:
    frames = samples(kind)
    frames[1, 0, 3:6] = math.nan
    frames[2] = math.nan
    changed = at_work(kind)(frames, np.random.default_rng(1))
    assert changed[frames.isnan()].isnan().all()
    if kind not in ("sectors", "radar"):
        assert changed[~frames.isnan()].isfinite().all()


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("shape", [(2, 1, 1, 9), (2, 1, 9, 1), (1, 2, 1, 1), (0, 1, 8, 8)])
def test_thin_images_and_empty_batches_are_ordinary(kind: str, shape: tuple[int, ...]) -> None:
    assert at_work(kind)(samples(kind, shape), np.random.default_rng(1)).shape == shape


@pytest.mark.parametrize("kind", sorted(set(NOISES) - {"receiver"}))
def test_level_zero_changes_nothing(kind: str) -> None:
    frames = samples(kind)
    assert torch.equal(
        noise_of({"kind": kind, "level": 0})(frames, np.random.default_rng(1)), frames
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1}, "expected at least kind and level"),
        ({"kind": "fog", "level": 1}, "no noise 'fog'; there are .*'gaussian'"),
        ({"kind": "masking", "level": 1.5}, r"'masking': expected a level.* within 0 … 1"),
        ({"kind": "masking", "level": (0.5, 0.2)}, r"'masking': expected a level.*\(0.5, 0.2\)"),
        ({"kind": "gaussian", "level": math.nan}, "'gaussian': expected a level"),
        ({"kind": "gaussian", "level": "much"}, "expected level as a number, found 'much'"),
        ({"kind": "gaussian", "level": [1, 2, 3]}, "expected one level or two, found 3"),
        ({"kind": "poisson", "level": 1, "clip": True}, r"expected options of \[\], found \['clip"),
        ({"kind": "gaussian", "level": 1, "clip": None}, "expected clip as a number, found None"),
        ({"kind": "receiver", "level": 1, "looks": 0}, "expected looks > 0, found 0"),
        ({"kind": "gaussian", "level": True}, "expected level as a number, found True"),
        ({"kind": "receiver", "level": 1, "snr": True}, "expected snr as a number, found True"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_sentence(options: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        noise_of(options)

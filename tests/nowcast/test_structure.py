from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pysteps.utils.spectral import rapsd
from scipy.ndimage import gaussian_filter

from nowcast.verification.frame import Frame
from nowcast.verification.protocol import BANDS, Protocol
from nowcast.verification.sal import compare_objects, count, find_objects
from nowcast.verification.similarity import structural_similarity
from nowcast.verification.spatial import useful_scale
from nowcast.verification.spectral import band_power, octave_thirds
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

RELATION = ZR(200.0, 1.6)
START = np.datetime64("2018-06-16T00:00")


def _field(seed: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return gaussian_filter(noise, 2) * 40


@pytest.mark.parametrize("shape", [(64, 64), (65, 65), (48, 48)])
def test_a_spectrum_equals_that_of_pysteps_ring_by_ring(shape: tuple[int, int]) -> None:
    field = _field(1, shape)
    expected = rapsd(field, fft_method=np.fft)
    size = shape[0]
    rows = np.abs(np.fft.fftfreq(size, 1 / size))
    radius = np.hypot(rows[:, None], np.fft.rfftfreq(size, 1 / size))
    rings = np.round(radius).astype(np.int64)
    bands = torch.from_numpy(np.where(rings < len(expected), rings, len(expected)))
    power, components = band_power(torch.from_numpy(field), bands, len(expected))
    np.testing.assert_allclose(power / components, expected, rtol=1e-9)


def test_the_power_of_all_components_is_that_of_the_field() -> None:
    field = torch.from_numpy(_field(2, (40, 51)))
    power, components = band_power(field, torch.zeros(40, 26, dtype=torch.int64), 1)
    assert float(power) == pytest.approx(float(field.square().sum()), rel=1e-9)
    assert int(components) == 40 * 51


def test_a_wave_s_power_lies_in_the_band_of_its_wavelength() -> None:
    places = np.arange(128)
    for pixels in (4, 8, 16, 32, 64):
        wave = np.cos(2 * math.pi * places / pixels)[None].repeat(128, 0)
        power, _ = band_power(torch.from_numpy(wave), octave_thirds(128, 128), BANDS)
        band = int(power.argmax())
        assert 2 * 2 ** (band / 3) == pytest.approx(pixels)
        assert power[band] > 0.99 * power.sum()


def test_a_smoothed_forecast_lacks_power_at_short_wavelengths_and_there_alone() -> None:
    noise = np.random.default_rng(3).normal(size=(96, 96))
    seen = gaussian_filter(noise, 1, mode="wrap") * 20 + 60
    smooth = gaussian_filter(seen, 2, mode="wrap")
    tally = Tally(
        ["smooth", "same"], [5], [1.0], RELATION, [1.0], 1.0, parts=("categorical", "spectral")
    )
    fields = [torch.from_numpy(field[None].astype(np.float32)) for field in (smooth, seen)]
    tally.update(START, dict(zip(("smooth", "same"), fields, strict=True)), fields[1])
    scores = tally.to_dataset().isel(lead_time=0)
    ratio = scores["power_ratio"].sel(forecaster="smooth")
    assert (ratio.sel(wavelength=slice(2, 6)) < 0.1).all()
    assert (ratio.sel(wavelength=slice(45, 70)) > 0.9).all()
    held = scores["power_ratio"].sel(forecaster="same").dropna("wavelength")
    assert held.size > 10
    assert (held == 1).all()
    assert scores["spectrum_observed"].dims == ("wavelength",)
    assert scores["spectrum"].sel(wavelength=slice(200, None)).isnull().all()


def _ssim_by_hand(forecast: np.ndarray, observed: np.ndarray) -> np.ndarray:
    def smooth(field: np.ndarray) -> np.ndarray:
        return gaussian_filter(field, 1.5, truncate=5 / 1.5)

    first, second = (0.01 * 60) ** 2, (0.03 * 60) ** 2
    mean_f, mean_o = smooth(forecast), smooth(observed)
    variance_f = smooth(forecast**2) - mean_f**2
    variance_o = smooth(observed**2) - mean_o**2
    covariance = smooth(forecast * observed) - mean_f * mean_o
    return ((2 * mean_f * mean_o + first) * (2 * covariance + second)) / (
        (mean_f**2 + mean_o**2 + first) * (variance_f + variance_o + second)
    )


def test_similarity_is_that_of_scipy_s_gaussian_windows() -> None:
    forecast, observed = (np.clip(_field(seed) + 20, 0, 60) for seed in (4, 5))
    fields = (torch.from_numpy(field)[None] for field in (forecast, observed))
    found = structural_similarity(*fields)[0].numpy()
    np.testing.assert_allclose(found, _ssim_by_hand(forecast, observed)[5:-5, 5:-5], rtol=1e-9)


def test_similarity_of_a_spoilt_pixel_is_that_worked_out_and_of_a_missing_one_is_one() -> None:
    observed = torch.full((1, 64, 64), 20.0)
    forecast, blanked = observed.clone(), observed.clone()
    forecast[0, 20, 20] += 30
    blanked[0, 20, 20] = math.nan
    names = ["same", "spoilt"]
    parts = ("categorical", "similarity")
    spoilt = Tally(names, [5], [1.0], RELATION, [1.0], 1.0, parts=parts)
    spoilt.update(START, {"same": observed, "spoilt": forecast}, observed)
    ssim = spoilt.score("ssim").values
    assert ssim[0, 0] == pytest.approx(1.0, abs=1e-12)
    assert ssim[1, 0] == pytest.approx(_ssim_of_one_spoilt_pixel(20.0, 30.0, 54**2), abs=1e-12)
    masked = Tally(names, [5], [1.0], RELATION, [1.0], 1.0, parts=parts)
    masked.update(START, {"same": observed, "spoilt": blanked}, observed)
    np.testing.assert_allclose(masked.score("ssim"), 1.0, atol=1e-12)
    assert (masked.sums()["ssim_pixels"] == 54 * 54 - 121).all()


def _ssim_of_one_spoilt_pixel(level: float, more: float, windows: int) -> float:
    """Of a level field to which one pixel adds some: 121 windows see it, with their weights w.

    There the forecast's mean is level + w more, its variance w (1 − w) more²; the observed field
    has no variance, so there is no covariance. c1 = 0.6², c2 = 1.8².
    """
    tap = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weight = np.outer(tap, tap) / tap.sum() ** 2
    mean = level + weight * more
    means = (2 * mean * level + 0.36) / (mean**2 + level**2 + 0.36)
    spoilt = means * 3.24 / (weight * (1 - weight) * more**2 + 3.24)
    return float((windows - 121 + spoilt.sum()) / windows)


def test_similarity_of_two_level_fields_is_that_of_their_levels() -> None:
    high, low = torch.full((1, 20, 20), 60.0), torch.full((1, 20, 20), 30.0)
    found = structural_similarity(high, low)
    np.testing.assert_allclose(found, (3600 + 0.36) / (4500 + 0.36), rtol=1e-12)


def _blob(y: int, x: int, size: int = 8, rate: float = 10.0) -> np.ndarray:
    field = np.zeros((60, 80))
    field[y : y + size, x : x + size] = rate
    return field


def _sal(forecast: np.ndarray, observed: np.ndarray) -> tuple[float, float, float]:
    pair = [find_objects(field, 0.1, field.size) for field in (forecast, observed)]
    assert pair[0] is not None
    assert pair[1] is not None
    return compare_objects(pair[0], pair[1], observed.shape)


def test_a_perfect_forecast_has_zeros_in_sal() -> None:
    assert _sal(_blob(10, 10), _blob(10, 10)) == (0.0, 0.0, 0.0)


def test_a_displaced_forecast_is_off_in_location_alone() -> None:
    structure, amplitude, location = _sal(_blob(10, 40), _blob(10, 10))
    assert (structure, amplitude) == (0.0, 0.0)
    assert location == pytest.approx(30 / 100)


def test_twice_the_rain_is_off_in_amplitude_alone() -> None:
    structure, amplitude, location = _sal(_blob(10, 10, rate=20.0), _blob(10, 10))
    assert amplitude == pytest.approx(2 / 3)
    assert (structure, location) == pytest.approx((0.0, 0.0))


def test_one_large_object_for_four_small_ones_is_off_in_structure_and_scatter() -> None:
    small = sum(_blob(y, x, 4) for y in (10, 40) for x in (10, 60))
    large = _blob(23, 33, 8)
    structure, amplitude, location = _sal(large, small)
    assert structure == pytest.approx(2 * (64 - 16) / (64 + 16))
    assert amplitude == 0.0
    assert location == pytest.approx(2 * math.hypot(15, 25) / 100, rel=0.05)
    assert _sal(small, large)[0] == -structure


def test_a_pair_without_rain_on_both_sides_counts_for_nothing_in_sal() -> None:
    protocol = Protocol(("a", "b"), (5,), (0.1,), RELATION, (1.0,), 1.0)
    dry = torch.full((60, 80), NO_ECHO)
    wet = torch.from_numpy(RELATION.dbz(_blob(10, 10))).float()
    sums = count(Frame(protocol, [dry, wet], wet))
    assert sums["sal_cases"].tolist() == [0, 1]
    assert all(values[0] == 0 for values in sums.values())
    assert count(Frame(protocol, [dry, wet], dry))["sal_cases"].tolist() == [0, 0]


def _useful(fss: list[float], base_rate: float) -> float:
    numerator = 1 - torch.tensor([[fss]], dtype=torch.float64)
    hits = torch.tensor([[1000 * base_rate]])
    scales = torch.tensor([1.0, 5.0, 20.0])
    found = useful_scale(
        numerator, torch.ones_like(numerator), hits, 0 * hits, torch.tensor([1000.0]), scales
    )
    return float(found)


def test_the_useful_scale_is_the_first_beyond_half_and_half_the_base_rate() -> None:
    assert _useful([0.3, 0.56, 0.8], 0.1) == 5.0
    assert _useful([0.3, 0.54, 0.8], 0.1) == 20.0
    assert _useful([0.7, 0.8, 0.9], 0.1) == 1.0
    assert _useful([0.7, 0.5, 0.9], 0.1) == 20.0
    assert math.isnan(_useful([0.3, 0.4, 0.5], 0.1))

"""Similarity and SAL against scikit-image and pysteps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pysteps.verification.salscores import sal as pysteps_sal
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from skimage.metrics import structural_similarity as skimage_similarity

from nowcast.verification import sal, similarity
from nowcast.verification.frame import Frame
from nowcast.verification.protocol import Protocol
from pipeline.batch import NO_ECHO, ZR

RELATION = ZR(200.0, 1.6)
LEAST = 0.1
PROTOCOL = Protocol(("one",), (5,), (LEAST,), RELATION, (1.0,), 1.0)

Field = NDArray[np.float64]


def _dbz(seed: int, shape: tuple[int, int] = (48, 64)) -> Field:
    """Rain in about half the field, the rest dry."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    dbz = 20 + 12 * noise / noise.std()
    return np.where(dbz > 20, dbz, NO_ECHO).astype(np.float32).astype(np.float64)


def _skimage(forecast: Field, observed: Field) -> Field:
    """The whole windows of a Gaussian of σ 1.5 and 11 × 11 pixels over 60 dBZ."""
    _, full = skimage_similarity(
        observed,
        forecast,
        data_range=similarity.SPAN_DBZ,
        gaussian_weights=True,
        sigma=similarity.SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    inner = slice(similarity.RADIUS, -similarity.RADIUS)
    return np.asarray(full)[inner, inner]


def _frame(forecast: Field, observed: Field) -> Frame:
    fields = [torch.from_numpy(field.astype(np.float32)) for field in (forecast, observed)]
    return Frame(PROTOCOL, fields[:1], fields[1])


def _ssim(forecast: Field, observed: Field) -> float:
    sums = similarity.count(_frame(forecast, observed))
    return float(similarity.mean_similarity(*sums.values()))


def _floored(field: Field) -> Field:
    return np.maximum(field, 0.0)


def _pixel() -> Field:
    field = np.full((48, 64), NO_ECHO)
    field[20, 30] = 45.0
    return field


@pytest.mark.parametrize("seed", range(4))
def test_similarity_equals_that_of_scikit_image_window_by_window(seed: int) -> None:
    forecast, observed = _floored(_dbz(seed)), _floored(_dbz(seed + 10))
    fields = (torch.from_numpy(field)[None] for field in (forecast, observed))
    found = similarity.structural_similarity(*fields)[0].numpy()
    np.testing.assert_allclose(found, _skimage(forecast, observed), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("forecast", "observed"),
    [
        (_dbz(1), _dbz(2)),
        (_dbz(1), _dbz(1)),
        (_dbz(1), np.full((48, 64), NO_ECHO)),
        (_pixel(), np.full((48, 64), NO_ECHO)),
        (np.full((48, 64), NO_ECHO), np.full((48, 64), NO_ECHO)),
        (np.full((48, 64), 30.0), np.full((48, 64), 10.0)),
    ],
    ids=["rain", "perfect", "missed", "pixel", "dry", "constant"],
)
def test_the_mean_similarity_of_a_frame_equals_that_of_scikit_image(
    forecast: Field, observed: Field
) -> None:
    expected = _skimage(_floored(forecast), _floored(observed)).mean()
    assert _ssim(forecast, observed) == pytest.approx(expected, abs=1e-9)


def test_missing_pixels_take_their_windows_out_where_scikit_image_has_no_mean() -> None:
    forecast, observed = _dbz(3), _dbz(4)
    forecast[20:24, 30:33] = math.nan
    observed[40, 5] = math.nan
    both = [
        np.where(np.isnan(forecast + observed), math.nan, _floored(field))
        for field in (forecast, observed)
    ]
    expected = _skimage(both[0], both[1])
    assert 0 < np.isnan(expected).sum() < expected.size / 2
    assert _ssim(forecast, observed) == pytest.approx(np.nanmean(expected), abs=1e-9)


def test_similarity_is_undefined_where_all_is_missing() -> None:
    assert math.isnan(_ssim(np.full((48, 64), math.nan), _dbz(1)))


def _rain(seed: int, shape: tuple[int, int] = (60, 80)) -> Field:
    """Showers of all sizes, mm/h: some of a few pixels, some side by side."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3, mode="wrap")
    wet = noise / noise.std() - 0.6
    return np.where(wet > 0, 8 * np.maximum(wet, 0) ** 1.5 + 2 * LEAST, 0.0)


def _cells(seed: int) -> Field:
    """Large round showers far apart, mm/h."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :160]
    field = np.zeros((120, 160))
    for place in draw.choice(6, 4, replace=False):
        middle = np.array([25 + 65 * (place % 2), 30 + 50 * (place // 2)])
        apart = np.hypot(*(np.stack([y, x]) - (middle + draw.uniform(-6, 6, 2))[:, None, None]))
        shower = draw.uniform(3, 30) * np.exp(-((apart / draw.uniform(5, 8)) ** 2))
        field += np.where(apart < 14, shower, 0)
    return np.where(field > LEAST, field, 0)


def _sal(forecast: Field, observed: Field) -> tuple[float, float, float]:
    pair = [sal.find_objects(field, LEAST, field.size) for field in (forecast, observed)]
    assert pair[0] is not None
    assert pair[1] is not None
    return sal.compare_objects(pair[0], pair[1], (forecast.shape[0], forecast.shape[1]))


def _by_pysteps(forecast: Field, observed: Field, share: float = sal.SHARE) -> Sequence[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return [float(part) for part in pysteps_sal(forecast, observed, thr_factor=share)]


@pytest.fixture
def plain_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pysteps see an object in whatever touches by a side, however small or near."""

    def detection(image: Field, *, minref: float, **_: Any) -> tuple[None, NDArray[np.int64]]:
        return None, label(image >= minref, connectivity=1)

    monkeypatch.setattr("pysteps.feature.tstorm.detection", detection)


@pytest.mark.parametrize("seed", range(5))
def test_sal_equals_that_of_pysteps_for_large_objects_far_apart(seed: int) -> None:
    forecast, observed = _cells(seed), _cells(seed + 10)
    assert _sal(forecast, observed) == pytest.approx(_by_pysteps(forecast, observed), abs=1e-9)


@pytest.mark.usefixtures("plain_objects")
@pytest.mark.parametrize("seed", range(5))
def test_sal_equals_that_of_pysteps_once_it_keeps_every_object(seed: int) -> None:
    forecast, observed = _rain(seed), _rain(seed + 10)
    assert _sal(forecast, observed) == pytest.approx(_by_pysteps(forecast, observed), abs=1e-9)


def test_pysteps_drops_objects_below_fifty_pixels_where_we_keep_them() -> None:
    large, small = np.zeros((120, 160)), np.zeros((120, 160))
    large[20:30, 20:30] = 10
    small[80:87, 100:107] = 10
    both = large + small
    structure, amplitude, location = _by_pysteps(both, large)
    assert structure == 0
    assert _sal(both, large)[0] == pytest.approx(2 * (-(100 - 12401 / 149)) / (100 + 12401 / 149))
    assert _sal(both, large)[1] == pytest.approx(amplitude)
    assert _sal(both, large)[2] != pytest.approx(location)


def test_a_fifteenth_is_not_quite_the_share_of_pysteps() -> None:
    forecast, observed = _cells(0), _cells(10)
    theirs = _by_pysteps(forecast, observed, share=0.067)
    assert _sal(forecast, observed)[0] != pytest.approx(theirs[0], abs=1e-6)
    assert _sal(forecast, observed) == pytest.approx(theirs, abs=1e-3)


@pytest.mark.usefixtures("plain_objects")
def test_a_single_pixel_and_a_perfect_forecast_have_the_sal_of_pysteps() -> None:
    pixel, moved = np.zeros((60, 80)), np.zeros((60, 80))
    pixel[20, 30], moved[20, 50] = 5.0, 10.0
    assert _sal(moved, pixel) == pytest.approx((0, 2 / 3, 0.2))
    assert _by_pysteps(moved, pixel) == pytest.approx((0, 2 / 3, 0.2))
    assert _sal(_rain(1), _rain(1)) == (0, 0, 0)
    assert _by_pysteps(_rain(1), _rain(1)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_rain_everywhere_is_one_object_where_pysteps_takes_the_least_rain_for_dry() -> None:
    forecast, observed = np.full((60, 80), 6.0), np.full((60, 80), 3.0)
    structure, amplitude, location = _by_pysteps(forecast, observed)
    assert (math.isnan(structure), math.isnan(location)) == (True, True)
    assert amplitude == pytest.approx(2 / 3)
    assert _sal(forecast, observed) == pytest.approx((0, 2 / 3, 0))


def test_one_dry_field_is_no_case_where_pysteps_has_the_largest_structure_and_amplitude() -> None:
    dry = np.zeros((60, 80))
    structure, amplitude, location = _by_pysteps(_cells(1)[:60, :80], dry)
    assert (structure, amplitude) == (2, 2)
    assert math.isnan(location)
    assert sal.find_objects(dry, LEAST, dry.size) is None
    assert all(math.isnan(part) for part in _by_pysteps(dry, dry))


@pytest.mark.usefixtures("plain_objects")
def test_missing_pixels_count_as_dry_where_pysteps_loses_the_place_of_objects_beside_them() -> None:
    forecast, observed = _rain(3), _rain(13)
    hole = np.zeros(forecast.shape, bool)
    hole[10:25, 20:50] = True
    assert (forecast[hole] > LEAST).any()
    frame = _frame(RELATION.dbz(forecast), RELATION.dbz(np.where(hole, math.nan, observed)))
    sums = sal.count(frame)
    found = [float(sums[f"sal_{part}_sum"]) for part in ("structure", "amplitude", "location")]
    dry = _by_pysteps(np.where(hole, 0, forecast), np.where(hole, 0, observed))
    # frames hold float32 dBZ, to some 1e-7 of a rate
    assert found == pytest.approx(dry, abs=1e-6)
    missing = _by_pysteps(np.where(hole, math.nan, forecast), np.where(hole, math.nan, observed))
    assert missing[:2] == pytest.approx(dry[:2])
    assert abs(missing[2] - dry[2]) > 0.01


def test_an_all_missing_frame_is_no_case_of_sal() -> None:
    sums = sal.count(_frame(np.full((60, 80), math.nan), RELATION.dbz(_rain(1) + LEAST)))
    assert all(float(values) == 0 for values in sums.values())

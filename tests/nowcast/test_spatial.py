from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pysteps.verification.spatialscores import fss as pysteps_fss
from scores.spatial import fss_2d_single_field

from nowcast.verification.frame import Mask
from nowcast.verification.spatial import FractionSums, fractions_skill_score, sum_fractions
from nowcast.verification.windows import window_pixels, window_sums

WIDTHS = [1, 3, 5, 9, 21]


def _blobs(seed: int, shape: tuple[int, int] = (60, 70), margin: int = 0) -> torch.Tensor:
    """Events in clumps, none within `margin` of the border."""
    noise = torch.from_numpy(np.random.default_rng(seed).random((1, 1, *shape)))
    events = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)[0, 0] > 0.47
    if margin:
        inside = torch.zeros_like(events)
        inside[margin:-margin, margin:-margin] = True
        events &= inside
    return events


def _sums(forecast: torch.Tensor, observed: torch.Tensor, known: torch.Tensor, width: int):
    mask = Mask(known, [width])
    sums = sum_fractions((forecast & known)[None, None], (observed & known)[None], mask)
    return FractionSums(sums.numerator[0, 0, 0], sums.denominator[0, 0, 0])


def _fss(forecast: torch.Tensor, observed: torch.Tensor, width: int) -> float:
    known = torch.ones_like(observed)
    return float(fractions_skill_score(*_sums(forecast, observed, known, width)))


def _by_hand(
    forecast: torch.Tensor, observed: torch.Tensor, known: torch.Tensor, width: int
) -> tuple[float, float]:
    half, numerator, denominator = width // 2, 0.0, 0.0
    for y, x in known.nonzero().tolist():
        rows = slice(max(y - half, 0), y + half + 1)
        window = (rows, slice(max(x - half, 0), x + half + 1))
        seen = known[window]
        here, there = (float((f[window] & seen).sum() / seen.sum()) for f in (forecast, observed))
        numerator += (here - there) ** 2
        denominator += here**2 + there**2
    return numerator, denominator


@pytest.mark.parametrize("width", WIDTHS)
def test_fss_equals_pysteps_and_scores_where_no_event_is_near_the_border(width: int) -> None:
    forecast, observed = _blobs(1, margin=20), _blobs(2, margin=20)
    here, there = forecast.double().numpy(), observed.double().numpy()
    found = _fss(forecast, observed, width)
    assert found == pytest.approx(pysteps_fss(here, there, 0.5, width), abs=1e-6)
    padded = {"event_threshold": 0.5, "window_size": (width, width), "zero_padding": True}
    assert found == pytest.approx(fss_2d_single_field(here, there, **padded), abs=1e-6)


def test_fss_of_one_pixel_equals_scores_and_pysteps_everywhere() -> None:
    forecast, observed = _blobs(3), _blobs(4)
    here, there = forecast.double().numpy(), observed.double().numpy()
    oracle = fss_2d_single_field(here, there, event_threshold=0.5, window_size=(1, 1))
    assert _fss(forecast, observed, 1) == pytest.approx(oracle, abs=1e-12)
    assert _fss(forecast, observed, 1) == pytest.approx(pysteps_fss(here, there, 0.5, 1), abs=1e-12)


def test_at_the_border_we_divide_by_the_pixels_in_the_grid_where_pysteps_pads_with_dry() -> None:
    observed = torch.ones(9, 9, dtype=torch.bool)
    forecast = torch.zeros_like(observed)
    forecast[:, :5] = True
    numerator, denominator = _sums(forecast, observed, torch.ones_like(observed), 3)
    by_hand = _by_hand(forecast, observed, torch.ones_like(observed), 3)
    assert (float(numerator), float(denominator)) == pytest.approx(by_hand, rel=1e-6)
    # all-rain windows have a share of 1 up to the corner
    assert float(_sums(observed, observed, torch.ones_like(observed), 3).denominator) == 2 * 81
    pysteps = pysteps_fss(forecast.double().numpy(), observed.double().numpy(), 0.5, 3)
    assert abs(float(1 - numerator / denominator) - pysteps) > 0.005


def test_scores_takes_whole_windows_alone_where_we_centre_one_on_every_pixel() -> None:
    forecast, observed = torch.zeros(2, 9, 9, dtype=torch.bool)
    forecast[0, 0] = observed[8, 0] = True
    fields = (forecast.double().numpy(), observed.double().numpy())
    oracle = fss_2d_single_field(*fields, event_threshold=0.5, window_size=(9, 9))
    assert oracle == 1.0
    assert _fss(forecast, observed, 9) < 0.9


def test_missing_pixels_are_masked_where_pysteps_takes_them_for_dry() -> None:
    observed, known = _blobs(5), _blobs(6, margin=1) | (torch.arange(70) < 40)
    forecast = _blobs(7)
    found = fractions_skill_score(*_sums(forecast, observed, known, 5))
    numerator, denominator = _by_hand(forecast, observed, known, 5)
    assert float(found) == pytest.approx(1 - numerator / denominator, abs=1e-6)
    fields = [np.where(known, field.double(), np.nan) for field in (forecast, observed)]
    assert abs(float(found) - pysteps_fss(*fields, 0.5, 5)) > 0.001


@pytest.mark.parametrize("width", [1, 3, 7, 31])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (13, 8)])
def test_sums_over_windows_larger_than_the_grid_are_those_made_by_hand(
    width: int, shape: tuple[int, int]
) -> None:
    generator = np.random.default_rng(8)
    forecast, observed, known = (torch.from_numpy(generator.random(shape) < 0.6) for _ in range(3))
    numerator, denominator = _sums(forecast, observed, known, width)
    by_hand = _by_hand(forecast, observed, known, width)
    assert (float(numerator), float(denominator)) == pytest.approx(by_hand, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("width", [1, 3, 15, 17, 41, 181, 183, 255, 257])
def test_window_sums_equal_those_of_a_summed_area_table(width: int) -> None:
    planes = torch.from_numpy(np.random.default_rng(9).random((2, 90, 270)) < 0.9)
    half = width // 2
    table = torch.nn.functional.pad(planes.long(), (half + 1, half, half + 1, half))
    table = table.cumsum(-1).cumsum(-2)
    down = table[:, width:] - table[:, :-width]
    expected = down[..., width:] - down[..., :-width]
    assert torch.equal(next(window_sums(planes, [width])).long(), expected)


@pytest.mark.parametrize("width", [181, 183])
def test_a_full_window_counts_all_its_pixels(width: int) -> None:
    planes = torch.ones(width, width, dtype=torch.bool)
    assert int(next(window_sums(planes, [width])).max()) == width**2


@pytest.mark.parametrize("width", WIDTHS)
def test_a_perfect_forecast_has_fss_one_and_a_dry_pair_none(width: int) -> None:
    observed, dry = _blobs(10), torch.zeros(60, 70, dtype=torch.bool)
    assert _fss(observed, observed, width) == 1.0
    assert _fss(dry, observed, width) == pytest.approx(0.0, abs=1e-7)
    assert math.isnan(_fss(dry, dry, width))


def test_two_dry_fields_have_no_fss_where_scores_says_zero_and_pysteps_nan() -> None:
    dry = np.zeros((20, 20))
    assert fss_2d_single_field(dry, dry, event_threshold=0.5, window_size=(5, 5)) == 0.0
    with np.errstate(invalid="ignore"):
        assert math.isnan(pysteps_fss(dry, dry, 0.5, 5))
    nothing = torch.zeros(20, 20, dtype=torch.bool)
    assert math.isnan(_fss(nothing, nothing, 5))


def test_fss_is_the_same_after_a_turn_or_a_flip() -> None:
    forecast, observed = _blobs(11), _blobs(12)
    straight = _fss(forecast, observed, 9)
    assert _fss(forecast.T, observed.T, 9) == pytest.approx(straight, rel=1e-6)
    assert _fss(forecast.flip(0), observed.flip(0), 9) == pytest.approx(straight, rel=1e-6)


def test_a_displaced_shower_gains_fss_with_scale() -> None:
    observed = torch.zeros(80, 80, dtype=torch.bool)
    observed[30:40, 30:40] = True
    displaced = observed.roll(10, 1)
    by_scale = [_fss(displaced, observed, width) for width in (1, 5, 21, 41)]
    assert by_scale[0] == 0.0
    assert by_scale == sorted(by_scale)
    assert by_scale[-1] > 0.6


def test_forecasters_and_thresholds_are_summed_as_one_by_one() -> None:
    forecast = torch.stack([torch.stack([_blobs(n), _blobs(n + 1)]) for n in (20, 22, 24)])
    observed, known = torch.stack([_blobs(26), _blobs(27)]), torch.ones(60, 70, dtype=torch.bool)
    together = sum_fractions(forecast, observed, Mask(known, [5]))
    for member in range(3):
        for level in range(2):
            alone = _sums(forecast[member, level], observed[level], known, 5)
            assert together.numerator[member, level, 0] == alone.numerator
            assert together.denominator[member, level, 0] == alone.denominator


@pytest.mark.parametrize("rows", [slice(0, 1), slice(45, 60), slice(118, 120)])
def test_rain_in_a_few_rows_of_a_tall_grid_is_compared_in_all_windows_that_hold_it(
    rows: slice,
) -> None:
    forecast, observed, known = torch.zeros(3, 120, 11, dtype=torch.bool)
    forecast[rows, 2:7], observed[rows, 4:] = True, True
    known[:, :9] = True
    for width in (3, 21):
        sums = _sums(forecast, observed, known, width)
        by_hand = _by_hand(forecast & known, observed & known, known, width)
        assert (float(sums.numerator), float(sums.denominator)) == pytest.approx(by_hand, rel=1e-6)


WINDOWS = {
    (1, 1): 1,
    (5, 1): 5,
    (20, 1): 21,
    (40, 1): 41,
    (20, 1.0003): 21,
    (20, 0.9997): 21,
    (1, 0.5): 3,
    (5, 2): 3,
    (1, 2): 1,
    (20, 0.76): 27,
}


@pytest.mark.parametrize(("scale", "pixel"), WINDOWS)
def test_a_window_has_the_odd_number_of_pixels_nearest_to_its_scale(
    scale: float, pixel: float
) -> None:
    assert window_pixels(scale, pixel) == WINDOWS[scale, pixel]


def test_widths_are_summed_together_as_one_by_one() -> None:
    forecast, observed = _blobs(30), _blobs(31)
    known = _blobs(32, margin=2) | (torch.arange(70) < 30)
    sums = sum_fractions(
        (forecast & known)[None, None], (observed & known)[None], Mask(known, WIDTHS)
    )
    for place, width in enumerate(WIDTHS):
        alone = _sums(forecast, observed, known, width)
        assert sums.numerator[0, 0, place] == alone.numerator
        assert sums.denominator[0, 0, place] == alone.denominator
        assert float(alone.numerator) == pytest.approx(
            _by_hand(forecast, observed, known, width)[0], rel=1e-5
        )

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr
from pysteps.verification.detcontscores import det_cont_fct
from scores import continuous as oracle

from nowcast.verification import continuous as cont
from nowcast.verification.categorical import missing_share


def _rates(seed: int, missing: float = 0.0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    rates = generator.gamma(0.4, 4.0, (30, 40)).astype(np.float32)
    rates[generator.random((30, 40)) < missing] = np.nan
    return torch.from_numpy(rates)


def _scores(forecast: torch.Tensor, observed: torch.Tensor) -> dict[str, float]:
    known = ~(forecast.isnan() | observed.isnan())
    sums, pixels = _sums(forecast, observed), known.sum()
    return {
        "ME": float(cont.mean_error(sums.error, pixels)),
        "MAE": float(cont.mean_absolute_error(sums.absolute_error, pixels)),
        "RMSE": float(cont.root_mean_square_error(sums.squared_error, pixels)),
    }


def _sums(forecast: torch.Tensor, observed: torch.Tensor) -> cont.ErrorSums:
    known = ~(forecast.isnan() | observed.isnan())
    return cont.sum_errors(*(torch.where(known, field, 0) for field in (forecast, observed)))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_errors_equal_those_of_scores_which_also_masks_missing_pixels(missing: float) -> None:
    forecast, observed = _rates(1, missing), _rates(2, missing)
    here, there = (xr.DataArray(field.double().numpy()) for field in (forecast, observed))
    expected = {
        "ME": float(oracle.mean_error(here, there)),
        "MAE": float(oracle.mae(here, there)),
        "RMSE": float(oracle.rmse(here, there)),
    }
    assert _scores(forecast, observed) == pytest.approx(expected, rel=1e-6)


def test_errors_equal_those_of_pysteps() -> None:
    forecast, observed = _rates(3), _rates(4, 0.2)
    expected = det_cont_fct(
        forecast.double().numpy(), observed.double().numpy(), ["ME", "MAE", "RMSE"]
    )
    assert _scores(forecast, observed) == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-6
    )


def test_a_constant_offset_is_every_error_s_value() -> None:
    observed = torch.full((5, 7), 2.0)
    assert _scores(observed - 0.5, observed) == {"ME": -0.5, "MAE": 0.5, "RMSE": 0.5}


def test_a_perfect_forecast_has_no_error() -> None:
    observed = _rates(5, 0.2)
    assert _scores(observed, observed) == {"ME": 0.0, "MAE": 0.0, "RMSE": 0.0}


def test_without_a_compared_pixel_errors_are_undefined() -> None:
    nothing = torch.full((4, 4), math.nan)
    assert all(map(math.isnan, _scores(_rates(6)[:4, :4], nothing).values()))


def test_skill_is_one_for_no_error_and_zero_for_the_reference_s() -> None:
    error = torch.tensor([0.0, 0.5, 1.0, 2.0])
    assert cont.skill(error, torch.tensor(1.0)).tolist() == [1.0, 0.5, 0.0, -1.0]
    assert cont.skill(error, torch.tensor(0.0)).isnan().all()


def test_the_sums_of_two_halves_add_to_the_whole() -> None:
    forecast, observed = _rates(7, 0.2), _rates(8)
    whole = torch.stack(_sums(forecast, observed))
    parts = [
        torch.stack(_sums(forecast[rows], observed[rows]))
        for rows in (slice(0, 11), slice(11, None))
    ]
    assert torch.allclose(whole, parts[0] + parts[1], rtol=1e-6)


def _correlation(forecast: torch.Tensor, observed: torch.Tensor) -> float:
    sums = _sums(forecast, observed)
    pixels = (~(forecast.isnan() | observed.isnan())).sum()
    return float(cont.correlation(*sums[3:], pixels))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_correlation_equals_that_of_scores_and_pysteps(missing: float) -> None:
    noise, observed = _rates(9), _rates(10, missing)
    forecast = 0.7 * observed + 0.3 * noise
    here, there = (field.double().numpy() for field in (forecast, observed))
    expected = float(oracle.correlation.pearsonr(xr.DataArray(here), xr.DataArray(there)))
    assert _correlation(forecast, observed) == pytest.approx(expected, rel=1e-5)
    peer = det_cont_fct(here, there, "corr_p")["corr_p"]
    assert _correlation(forecast, observed) == pytest.approx(float(peer), rel=1e-5)


def test_a_constant_forecast_has_no_correlation() -> None:
    observed = _rates(11)
    assert math.isnan(_correlation(torch.full_like(observed, 0.3), observed))
    assert math.isnan(_correlation(observed, torch.zeros_like(observed)))
    assert _correlation(observed, observed) == pytest.approx(1.0)
    assert _correlation(3 - observed, observed) == pytest.approx(-1.0)


def test_missing_share_is_undefined_where_nothing_was_observed() -> None:
    shares = missing_share(torch.tensor([3, 0, 0]), torch.tensor([12, 5, 0]))
    assert shares[:2].tolist() == [0.25, 0.0]
    assert shares[2].isnan()

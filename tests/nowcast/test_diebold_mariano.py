from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from error_samples import error_sums, noise
from scipy import stats
from scores.stats.statistical_tests import diebold_mariano as oracle

from nowcast.verification.diebold_mariano import compare_errors, diebold_mariano, two_sided
from nowcast.verification.uncertainty import difference


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_the_test_equals_that_of_scores(steps: int) -> None:
    drawn = noise(7, 200)
    differences = 0.2 + drawn + np.roll(drawn, 1)
    found = diebold_mariano(differences, steps)
    held = xr.DataArray(differences[None], {"lead": [0], "h": ("lead", [steps])}, ("lead", "valid"))
    for distribution in ("t", "normal"):
        peer = oracle(
            held, "lead", "h", method="HLN", confidence_level=0.95,
            statistic_distribution=distribution,
        )  # fmt: skip
        assert found.statistic == pytest.approx(peer["dm_test_stat"].item(), rel=1e-9)
    freedom = len(differences) - 1
    expected = 2 * stats.t.sf(abs(found.statistic), freedom)
    assert found.p_value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 1000, 100_000])
@pytest.mark.parametrize("statistic", [0.0, 0.5, -2.0, 4.0])
def test_student_s_t_is_that_of_scipy(freedom: int, statistic: float) -> None:
    expected = 2 * stats.t.sf(abs(statistic), freedom)
    assert two_sided(statistic, freedom) == pytest.approx(expected, rel=1e-4)


def test_the_statistic_is_that_worked_by_hand() -> None:
    # 1, 2, 3, 6: mean 3, deviations −2, −1, 0, 3; γ0 = (4 + 1 + 0 + 9) / 4 = 3.5
    # γ1 = ((−1)(−2) + 0 (−1) + 3 · 0) / 4 = 0.5
    errors = np.array([1.0, 2.0, np.nan, 3.0, 6.0])
    one, two = (diebold_mariano(errors, steps) for steps in (1, 2))
    # V = 3.5, 3 / √(3.5 / 4) √((4 + 1 − 2 + 0) / 4)
    assert one.statistic == pytest.approx(3 / math.sqrt(0.875) * math.sqrt(0.75))
    # V = 3.5 + 2 · 0.5, 3 / √(4.5 / 4) √((4 + 1 − 4 + 2 · 1 / 4) / 4)
    assert two.statistic == pytest.approx(3 / math.sqrt(1.125) * math.sqrt(0.375))
    # Student's t of 3 degrees: P(|T| > t) = 1 − 2/π (atan(t/√3) + (t/√3) / (1 + t²/3))
    for found in (one, two):
        x = found.statistic / math.sqrt(3)
        expected = 1 - 2 / math.pi * (math.atan(x) + x / (1 + x * x))
        assert found.p_value == pytest.approx(expected, rel=1e-6)


def test_errors_without_a_compared_pixel_are_left_out() -> None:
    errors = 5 + noise(2, 2, 40)
    sums = error_sums(errors)
    sums["pixels"][:, 7] = 0
    kept = np.delete(errors[0] - errors[1], 7)
    found = compare_errors(sums, "first", "second").isel(lead_time=0)
    expected = diebold_mariano(kept, 1)
    assert found["statistic"].item() == pytest.approx(expected.statistic, rel=1e-9)


def test_identical_and_too_few_errors_have_no_verdict() -> None:
    for differences, steps in ((np.zeros(20), 1), (np.ones(1), 1), (np.arange(3.0), 3)):
        assert all(map(math.isnan, diebold_mariano(differences, steps)))


def test_the_test_and_the_bootstrap_agree_on_who_has_less_error() -> None:
    weather = 5 + np.abs(noise(8, 1, 100))
    sums = error_sums(np.concatenate([weather - 0.3 + 0.2 * noise(9, 1, 100), weather]))
    verdict = compare_errors(sums, "first", "second").isel(lead_time=0)
    assert verdict["statistic"] < -3
    assert verdict["p_value"] < 0.01
    assert difference("mae", sums, "first", "second")["better"].item() == 1
    with pytest.raises(ValueError, match="no forecaster 'third'"):
        compare_errors(sums, "first", "third")

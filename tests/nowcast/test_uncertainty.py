from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats
from scores.stats.statistical_tests import diebold_mariano as oracle

from nowcast.verification.diebold_mariano import compare_errors, diebold_mariano, two_sided
from nowcast.verification.parts import PARTS, SCORES
from nowcast.verification.tally import Tally
from nowcast.verification.uncertainty import Resampling, bootstrap, difference
from pipeline.batch import ZR

PIXELS = 1000


def _sums(errors: np.ndarray, hits: np.ndarray | None = None) -> xr.Dataset:
    """Sums of a tally, (F, T) mean absolute errors and hits of 100 events a time given."""
    names = ["first", "second"][: len(errors)]
    tally = Tally(names, [10], [1.0], ZR(200.0, 1.6), [1.0], 1.0)
    for n in range(errors.shape[1]):
        row: dict[str, Any] = {}
        for name, kind in tally.kinds.items():
            shape = [len(names), *[1] * (len(kind.dims) - 1)]
            row[name] = np.ones(shape, kind.dtype)
        row["pixels"] *= PIXELS
        row["absolute_error_sum"] = errors[:, n, None] * PIXELS
        if hits is not None:
            row["hits"] = hits[:, n, None, None]
            row["misses"] = 100 - row["hits"]
        issued = np.datetime64("2018-06-01T00:00", "ns") + n * np.timedelta64(10, "m")
        tally.rows[issued] = row
    return tally.sums()


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_a_resample_draws_blocks_of_successive_issue_times() -> None:
    weights = Resampling(block=5, resamples=200).weights(30)
    assert weights.shape == (200, 30)
    assert (weights.sum(1) == 30).all()
    assert weights.std() > 0.5
    alone = Resampling(block=1, resamples=200).weights(30)
    for held, successive in ((weights, True), (alone, False)):
        apart = held - held.mean()
        related = float((apart * apart.roll(1, 1)).mean() / apart.square().mean())
        assert (related > 0.6) is successive


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    first, again, other = (Resampling(seed=seed).weights(50) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_intervals_of_independent_errors_cover_the_truth_about_as_often_as_they_say() -> None:
    resampling = Resampling(block=1, resamples=200, level=0.9)
    covered = 0
    for seed in range(200):
        found = bootstrap("mae", _sums(5 + _noise(seed, 1, 40)), resampling)
        covered += bool(found["low"].item() <= 5 <= found["high"].item())
    assert 0.84 <= covered / 200 <= 0.94


def test_blocks_are_needed_where_errors_last() -> None:
    noise = _noise(3, 40, 1, 30)
    lasting = 5 + np.repeat(noise, 6, axis=2)[..., :120]
    share = {}
    for block in (1, 12):
        resampling = Resampling(block=block, resamples=200, level=0.9)
        found = [bootstrap("mae", _sums(errors), resampling) for errors in lasting[:40]]
        share[block] = np.mean([row["low"].item() <= 5 <= row["high"].item() for row in found])
    assert share[1] < 0.7
    assert share[12] > share[1] + 0.12


def test_the_estimate_is_the_score_of_the_file() -> None:
    sums = _sums(5 + _noise(1, 2, 60), np.random.default_rng(1).integers(20, 80, (2, 60)))
    for name in ("mae", "csi", "pod"):
        found = bootstrap(name, sums)
        assert found["estimate"].dims == SCORES[name].dims
        assert (found["low"] < found["estimate"]).all()
        assert (found["estimate"] < found["high"]).all()
    csi = sums["hits"].sum("issue_time") / (
        sums[["hits", "misses", "false_alarms"]].to_array().sum(("variable", "issue_time"))
    )
    np.testing.assert_allclose(bootstrap("csi", sums)["estimate"], csi)


def test_identical_forecasters_are_never_better() -> None:
    errors = 5 + np.repeat(_noise(2, 1, 80), 2, axis=0)
    for name in ("mae", "csi"):
        found = difference(name, _sums(errors), "first", "second")
        assert (found["better"] == 0).all()
        assert (found["low"] == 0).all()
        assert (found["high"] == 0).all()


def test_equally_good_forecasters_are_seldom_called_better() -> None:
    resampling = Resampling(block=1, resamples=200, level=0.95)
    called = [
        difference("mae", _sums(5 + _noise(seed, 2, 50)), "first", "second", resampling)["better"]
        for seed in range(150)
    ]
    assert 0.005 <= np.mean(np.abs([flag.item() for flag in called])) <= 0.11


def test_a_forecaster_with_less_error_every_time_is_better_whatever_the_weather() -> None:
    weather = 5 + 3 * np.abs(_noise(4, 1, 80))
    errors = np.concatenate([weather - 0.1, weather])
    sums = _sums(errors)
    found = difference("mae", sums, "first", "second")
    assert found["better"].item() == 1
    assert found["high"].item() < 0
    assert difference("mae", sums, "second", "first")["better"].item() == -1
    first, second = (bootstrap("mae", sums).isel(forecaster=n, lead_time=0) for n in (0, 1))
    assert first["high"] > second["low"]


def test_better_means_nearer_to_the_best_value() -> None:
    sums = _sums(np.ones((2, 40)), np.repeat([[60], [40]], 40, axis=1))
    found = difference("pod", sums, "first", "second")
    assert found["better"].item() == 1
    assert found["estimate"].item() == pytest.approx(0.2)
    wet = sums.assign(
        false_alarms=sums["false_alarms"] * xr.DataArray([40, 160], dims="forecaster")
    )
    assert difference("far", wet, "first", "second")["better"].item() == 1
    dry = sums.assign(
        false_alarms=sums["false_alarms"] * xr.DataArray([140, 10], dims="forecaster")
    )
    bias = difference("frequency_bias", dry, "first", "second")
    assert bias["estimate"].item() == pytest.approx(2.0 - 0.5)
    assert bias["better"].item() == 0


@pytest.mark.parametrize("name", [n for n, score in SCORES.items() if "map" not in n])
def test_every_score_by_issue_time_has_an_interval_round_its_estimate(name: str) -> None:
    tally = Tally(["a", "b"], [5], [0.1, 1.0], ZR(200.0, 1.6), [1.0, 5.0], 1.0, parts=tuple(PARTS))
    generator = np.random.default_rng(0)
    for n in range(8):
        f, g, o = (
            torch.from_numpy(generator.normal(20, 10, (1, 24, 24)).astype(np.float32))
            for _ in range(3)
        )
        tally.update(np.datetime64("2018-06-01") + np.timedelta64(n, "h"), {"a": f, "b": g}, o)
    scores = tally.to_dataset()
    found = bootstrap(name, scores, Resampling(block=2, resamples=50))
    np.testing.assert_allclose(found["estimate"], scores[name], rtol=1e-12)
    held = found["estimate"].notnull() & found["low"].notnull()
    assert held.any()
    assert (found["low"] <= found["high"]).where(held, True).all()


def test_scores_of_pooled_sums_and_without_a_best_are_refused() -> None:
    tally = Tally(["a"], [5], [1.0], ZR(200.0, 1.6), [1.0], 1.0, parts=("categorical", "maps"))
    with pytest.raises(ValueError, match=r"expected sums kept by issue time, found .* pooled"):
        bootstrap("csi_map", tally.sums())
    sums = _sums(np.ones((2, 5)))
    with pytest.raises(ValueError, match="no forecaster 'third'; there are"):
        difference("mae", sums, "first", "third")
    with pytest.raises(
        ValueError, match="expected a score with a best value, found smallest scale"
    ):
        difference("useful_scale", sums, "first", "second")
    for change, words in (
        ({"block": 0}, "block of 1 or more"),
        ({"resamples": 0}, "resamples of 1 or more"),
        ({"level": 1.0}, "level between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=words):
            Resampling(**change)


def test_a_thousand_resamples_of_five_hundred_issue_times_are_quick() -> None:
    sums = _sums(5 + _noise(6, 2, 500))
    start = time.process_time()
    difference("csi", sums, "first", "second")
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_the_test_equals_that_of_scores(steps: int) -> None:
    noise = _noise(7, 200)
    differences = 0.2 + noise + np.roll(noise, 1)
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


def test_identical_and_too_few_errors_have_no_verdict() -> None:
    for differences, steps in ((np.zeros(20), 1), (np.ones(1), 1), (np.arange(3.0), 3)):
        assert all(map(math.isnan, diebold_mariano(differences, steps)))


def test_the_test_and_the_bootstrap_agree_on_who_has_less_error() -> None:
    weather = 5 + np.abs(_noise(8, 1, 100))
    sums = _sums(np.concatenate([weather - 0.3 + 0.2 * _noise(9, 1, 100), weather]))
    verdict = compare_errors(sums, "first", "second").isel(lead_time=0)
    assert verdict["statistic"] < -3
    assert verdict["p_value"] < 0.01
    assert difference("mae", sums, "first", "second")["better"].item() == 1
    with pytest.raises(ValueError, match="no forecaster 'third'"):
        compare_errors(sums, "first", "third")

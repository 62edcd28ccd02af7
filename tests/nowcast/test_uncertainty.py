from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
import xarray as xr
from error_samples import error_sums, noise

from nowcast.verification import resampling as module
from nowcast.verification import uncertainty
from nowcast.verification.parts import PARTS, SCORES
from nowcast.verification.tally import Tally
from nowcast.verification.uncertainty import (
    Resampling,
    bootstrap,
    bootstraps,
    difference,
    differences,
)
from pipeline.batch import ZR


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


@pytest.mark.parametrize(("count", "block"), [(1, 3), (5, 5), (7, 5), (31, 30), (200, 12)])
def test_issue_times_are_drawn_alike_however_few_are_asked_for(
    count: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resampling = Resampling(block=block, resamples=40)
    whole = resampling.weights(count)
    assert torch.equal(whole, _drawn_one_by_one(resampling, count))
    monkeypatch.setattr(module, "STARTS_AT_ONCE", 50)
    for step in (1, 4, 100):
        rows = [slice(first, first + step) for first in range(0, count, step)]
        parts = [resampling.weights(count, part) for part in rows]
        assert torch.equal(torch.cat(parts, 1), whole)


def _drawn_one_by_one(resampling: Resampling, count: int) -> torch.Tensor:
    length = min(resampling.block, count)
    shape = (resampling.resamples, math.ceil(count / length))
    starts = np.random.default_rng(resampling.seed).integers(0, count, shape)
    drawn = [[(start + n) % count for start in row for n in range(length)] for row in starts]
    counts = [np.bincount(row[:count], minlength=count) for row in drawn]
    return torch.from_numpy(np.array(counts, np.float64))


def test_intervals_are_the_same_however_few_sums_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = error_sums(5 + noise(1, 2, 300), np.random.default_rng(1).integers(20, 80, (2, 300)))
    later = sums.assign(absolute_error_sum=2 * sums["absolute_error_sum"])
    sums = xr.concat([sums, later.assign_coords(lead_time=[20])], "lead_time", data_vars="minimal")
    names = ["csi", "mae", "pod"]
    resampling = Resampling(resamples=50)
    whole = bootstraps(names, sums, resampling)
    np.testing.assert_allclose(*(whole["mae"].isel(lead_time=n)["low"] * (2 - n) for n in (0, 1)))
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", 50 * 7)
    monkeypatch.setattr(uncertainty, "LARGEST", 1)
    for name, found in bootstraps(names, sums, resampling).items():
        xr.testing.assert_allclose(found, whole[name], rtol=1e-12)
        xr.testing.assert_identical(found, bootstrap(name, sums, resampling))


@pytest.mark.parametrize(("count", "known"), [(1, False), (11, False), (12, False), (13, True)])
def test_no_more_than_one_block_has_no_interval(count: int, known: bool) -> None:
    sums = error_sums(5 + noise(1, 2, count))
    found = bootstrap("mae", sums, Resampling(block=12))
    apart = difference("mae", sums, "first", "second", Resampling(block=12))
    for held in (found, apart):
        assert held["estimate"].notnull().all()
        assert bool(held["low"].notnull().all()) is known
        assert bool(held["high"].notnull().all()) is known
    if not known:
        assert (apart["better"] == 0).all()


def test_several_are_compared_as_each_is_alone() -> None:
    sums = error_sums(5 + noise(1, 2, 60))
    found = differences("mae", sums, "first", ["second", "first"])
    xr.testing.assert_identical(found["second"], difference("mae", sums, "first", "second"))
    assert found["first"]["low"].item() == found["first"]["high"].item() == 0


def test_intervals_of_independent_errors_cover_the_truth_about_as_often_as_they_say() -> None:
    resampling = Resampling(block=1, resamples=200, level=0.9)
    covered = 0
    for seed in range(200):
        found = bootstrap("mae", error_sums(5 + noise(seed, 1, 40)), resampling)
        covered += bool(found["low"].item() <= 5 <= found["high"].item())
    assert 0.84 <= covered / 200 <= 0.94


def test_blocks_are_needed_where_errors_last() -> None:
    lasting = 5 + np.repeat(noise(3, 40, 1, 30), 6, axis=2)[..., :120]
    share = {}
    for block in (1, 12):
        resampling = Resampling(block=block, resamples=200, level=0.9)
        found = [bootstrap("mae", error_sums(errors), resampling) for errors in lasting[:40]]
        share[block] = np.mean([row["low"].item() <= 5 <= row["high"].item() for row in found])
    assert share[1] < 0.7
    assert share[12] > share[1] + 0.12


def test_the_estimate_is_the_score_of_the_file() -> None:
    sums = error_sums(5 + noise(1, 2, 60), np.random.default_rng(1).integers(20, 80, (2, 60)))
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
    errors = 5 + np.repeat(noise(2, 1, 80), 2, axis=0)
    for name in ("mae", "csi"):
        found = difference(name, error_sums(errors), "first", "second")
        assert (found["better"] == 0).all()
        assert (found["low"] == 0).all()
        assert (found["high"] == 0).all()


def test_equally_good_forecasters_are_seldom_called_better() -> None:
    resampling = Resampling(block=1, resamples=200, level=0.95)
    called = [
        difference("mae", error_sums(5 + noise(seed, 2, 50)), "first", "second", resampling)[
            "better"
        ]
        for seed in range(150)
    ]
    assert 0.005 <= np.mean(np.abs([flag.item() for flag in called])) <= 0.11


def test_a_forecaster_with_less_error_every_time_is_better_whatever_the_weather() -> None:
    weather = 5 + 3 * np.abs(noise(4, 1, 80))
    errors = np.concatenate([weather - 0.1, weather])
    sums = error_sums(errors)
    found = difference("mae", sums, "first", "second")
    assert found["better"].item() == 1
    assert found["high"].item() < 0
    assert difference("mae", sums, "second", "first")["better"].item() == -1
    first, second = (bootstrap("mae", sums).isel(forecaster=n, lead_time=0) for n in (0, 1))
    assert first["high"] > second["low"]


def test_better_means_nearer_to_the_best_value() -> None:
    sums = error_sums(np.ones((2, 40)), np.repeat([[60], [40]], 40, axis=1))
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
    sums = error_sums(np.ones((2, 5)))
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
    sums = error_sums(5 + noise(6, 2, 500))
    start = time.process_time()
    difference("csi", sums, "first", "second")
    assert time.process_time() - start < 1.0

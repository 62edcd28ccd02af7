from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr
from pysteps.verification.ensscores import rankhist
from pysteps.verification.probscores import CRPS
from scipy import stats
from scores.probability import brier_score_for_ensemble, crps_for_ensemble

from nowcast.verification import odds
from nowcast.verification.counts import event_limit
from nowcast.verification.tally import Tally
from pipeline.batch import ZR

RELATION = ZR(200.0, 1.6)
START = np.datetime64("2018-06-16T00:00")
MEMBERS = 5
RATES = (0.5, 2.0)


def _fields(seed: int, missing: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Members (M, 1, H, W) and observed (1, H, W) dBZ that know of each other."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(18, 8, (1, 30, 40))
    members = truth + generator.normal(0, 6, (MEMBERS, 1, 30, 40))
    observed = truth + generator.normal(0, 6, truth.shape)
    observed[generator.random(observed.shape) < missing] = np.nan
    return torch.from_numpy(members).float(), torch.from_numpy(observed).float()


def _tally(*pairs: tuple[torch.Tensor, torch.Tensor]) -> Tally:
    parts = ("categorical", "continuous", "probabilistic")
    tally = Tally(["steps"], [5], RATES, RELATION, [1.0], 1.0, members=MEMBERS, parts=parts)
    for n, (members, observed) in enumerate(pairs):
        tally.update(START + np.timedelta64(n, "h"), {"steps": members}, observed)
    return tally


def _item(tally: Tally, name: str, threshold: int | None = None) -> float:
    score = tally.score(name).squeeze()
    return float(score if threshold is None else score[threshold])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_fair_crps_equals_that_of_scores(missing: float) -> None:
    members, observed = _fields(1, missing)
    rates = [RELATION.rain_rate(field.double().numpy()) for field in (members, observed)]
    expected = crps_for_ensemble(
        xr.DataArray(rates[0], dims=list("mtyx")),
        xr.DataArray(rates[1], dims=list("tyx")),
        "m",
        method="fair",
    )
    assert _item(_tally((members, observed)), "crps") == pytest.approx(float(expected), rel=1e-5)


def test_pysteps_crps_is_not_the_fair_one() -> None:
    members, observed = _fields(2)
    rates = [RELATION.rain_rate(field.double().numpy()) for field in (members[:, 0], observed[0])]
    unfair = float(CRPS(rates[0].reshape(MEMBERS, -1), rates[1].ravel()))
    apart = np.abs(rates[0][:, None] - rates[0][None]).sum((0, 1)).mean()
    surplus = apart / 2 * (1 / (MEMBERS * (MEMBERS - 1)) - 1 / MEMBERS**2)
    assert _item(_tally((members, observed)), "crps") == pytest.approx(unfair - surplus, rel=1e-5)


def test_crps_of_a_single_forecast_is_its_absolute_error() -> None:
    members, observed = _fields(3)
    tally = Tally(
        ["one"], [5], RATES, RELATION, [1.0], 1.0,
        parts=("categorical", "continuous", "probabilistic"),
    )  # fmt: skip
    tally.update(START, {"one": members[0]}, observed)
    assert _item(tally, "crps") == pytest.approx(_item(tally, "mae"), rel=1e-6)
    assert _item(tally, "spread_skill") == 0.0


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_brier_score_equals_that_of_scores(missing: float) -> None:
    members, observed = _fields(4, missing)
    limits = [event_limit(RELATION.threshold_dbz(rate)) for rate in RATES]
    expected = brier_score_for_ensemble(
        xr.DataArray(members.double().numpy(), dims=list("mtyx")),
        xr.DataArray(observed.double().numpy(), dims=list("tyx")),
        "m",
        limits,
        fair_correction=False,
    )
    found = _tally((members, observed)).score("brier").squeeze()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_reliability_resolution_and_uncertainty_make_the_brier_score() -> None:
    tally = _tally(_fields(5), _fields(6, 0.2))
    for place in range(len(RATES)):
        parts = [_item(tally, f"brier_{n}", place) for n in ("reliability", "resolution")]
        made = parts[0] - parts[1] + _item(tally, "brier_uncertainty", place)
        assert made == pytest.approx(_item(tally, "brier", place), rel=1e-9)
        assert parts[1] > 0.01


def test_the_area_under_the_roc_curve_is_the_chance_of_the_right_order() -> None:
    members, observed = _fields(7)
    tally = _tally((members, observed))
    limit = event_limit(RELATION.threshold_dbz(RATES[1]))
    chance = (members >= limit).float().mean(0).flatten()
    event = (observed >= limit).flatten()
    apart = chance[event][:, None] - chance[~event][None]
    expected = float((apart > 0).double().mean() + (apart == 0).double().mean() / 2)
    assert _item(tally, "roc_area", 1) == pytest.approx(expected, rel=1e-6)


def test_the_rank_histogram_equals_that_of_pysteps() -> None:
    members, observed = _fields(8)
    found = _tally((members, observed)).score("rank_histogram").squeeze()
    expected = rankhist(members[:, 0].double().numpy(), observed[0].double().numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_ranks_that_equal_members_are_shared() -> None:
    members = torch.zeros(MEMBERS, 1, 4, 4)
    members[0] = 30.0
    counts = _tally((members, torch.zeros(1, 4, 4))).sums()["rank_counts"].squeeze()
    np.testing.assert_allclose(counts, [3.2, 3.2, 3.2, 3.2, 3.2, 0])


def test_members_drawn_like_the_observed_are_reliable_and_spread_as_wide_as_they_err() -> None:
    tally = _tally(*(_fields(seed) for seed in range(10, 16)))
    assert _item(tally, "spread_skill") == pytest.approx(1.0, abs=0.2)
    np.testing.assert_allclose(tally.score("rank_histogram").squeeze(), 1 / 6, atol=0.02)
    frequency = tally.score("observed_frequency").squeeze().isel(threshold=1)
    held = frequency.dropna("probability")
    assert held.size == 6
    assert (np.diff(held) > 0).all()
    counts = tally.sums()["probability_pixels"].sum("issue_time").squeeze().isel(threshold=1)
    counts = counts.sel(probability=held["probability"]).to_numpy()
    assert counts.sum() == 6 * 30 * 40
    expected = _frequency_of_few_members(RATES[1])
    standard_error = np.sqrt(expected * (1 - expected) / counts)
    assert (np.abs(held.to_numpy() - expected) < 4 * standard_error).all()
    # a mean of few members exaggerates: observed frequencies lie nearer to the base rate
    assert np.abs(expected - held["probability"]).max() > 0.15


def _frequency_of_few_members(rate: float) -> np.ndarray:
    """How often an event is observed where 0 to MEMBERS members of `_fields` forecast it.

    Given the truth, members and observed have the event with one chance, each by itself.
    """
    truth = np.linspace(18 - 8 * 8, 18 + 8 * 8, 20_001)
    chance = stats.norm.cdf((truth - event_limit(RELATION.threshold_dbz(rate))) / 6)
    held = stats.binom.pmf(np.arange(MEMBERS + 1)[:, None], MEMBERS, chance)
    held = held * stats.norm.pdf(truth, 18, 8)
    return (held * chance).sum(1) / held.sum(1)


def test_a_sure_and_right_ensemble_has_the_best_scores() -> None:
    _, observed = _fields(20)
    tally = _tally((observed.expand(MEMBERS, *observed.shape), observed))
    assert _item(tally, "crps") == pytest.approx(0, abs=1e-6)
    for place in range(2):
        assert _item(tally, "brier", place) == 0
        assert _item(tally, "brier_reliability", place) == 0
        assert _item(tally, "roc_area", place) == 1
        uncertainty = _item(tally, "brier_uncertainty", place)
        assert _item(tally, "brier_resolution", place) == pytest.approx(uncertainty)


def test_without_a_compared_pixel_odds_are_undefined() -> None:
    members, observed = _fields(21)
    tally = _tally((members, torch.full_like(observed, math.nan)))
    for name in ("crps", "spread_skill"):
        assert math.isnan(_item(tally, name))
    assert all(math.isnan(_item(tally, name, 0)) for name in ("brier", "roc_area"))
    assert tally.score("rank_histogram").isnull().all()


def test_crps_may_be_read_pixel_by_pixel() -> None:
    members = torch.tensor([[1.0], [3.0]])
    assert odds.fair_crps(members, torch.tensor([2.0])).tolist() == [0.0]
    assert odds.fair_crps(members, torch.tensor([5.0])).tolist() == [2.0]

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr
from pysteps.verification.detcatscores import det_cat_fct
from scores.categorical import BasicContingencyManager, BinaryContingencyManager

from nowcast.verification import categorical as cat
from nowcast.verification import categorical_skill as skill
from nowcast.verification import counts
from pipeline.batch import NO_ECHO, ZR
from pipeline.packing import pack, unpack

SCORES = {
    "critical_success_index": (cat.critical_success_index, "hmf", "CSI"),
    "probability_of_detection": (cat.probability_of_detection, "hm", "POD"),
    "false_alarm_ratio": (cat.false_alarm_ratio, "hf", "FAR"),
    "success_ratio": (cat.success_ratio, "hf", None),
    "frequency_bias": (cat.frequency_bias, "hmf", "BIAS"),
    "heidke_skill_score": (skill.heidke_skill_score, "hmfc", "HSS"),
    "gilbert_skill_score": (skill.gilbert_skill_score, "hmfc", "ETS"),
    "peirce_skill_score": (skill.peirce_skill_score, "hmfc", "HK"),
    "accuracy": (skill.accuracy, "hmfc", "ACC"),
    "symmetric_extremal_dependence_index": (
        skill.symmetric_extremal_dependence_index,
        "hmfc",
        "SEDI",
    ),
}
NAMES = {"gilbert_skill_score": "gilberts_skill_score"}
RELATIONS = [ZR(223.0, 1.53), ZR(316.0, 1.5), ZR(200.0, 1.6)]
RATE_STEPS = {"mm in 5 minutes": 0.12, "mm in 6 minutes": 0.5, "mm in 10 minutes": 0.3}


def _score(name: str, counts: dict[str, float]) -> float:
    function, letters, _ = SCORES[name]
    return float(function(*(torch.tensor(counts[letter]) for letter in letters)))


def _events(seed: int, share: float, shape: tuple[int, ...] = (40, 50)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape) < share)


def _counts(forecast: torch.Tensor, observed: torch.Tensor) -> dict[str, float]:
    pixels = torch.tensor(observed.numel())
    return dict(
        zip("hmfc", map(float, counts.count_events(forecast, observed, pixels)), strict=True)
    )


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_score_equals_that_of_scores(name: str, share: float) -> None:
    forecast, observed = _events(1, share), _events(2, 0.3)
    oracle = BinaryContingencyManager(
        xr.DataArray(forecast.numpy().astype(float)), xr.DataArray(observed.numpy().astype(float))
    )
    expected = float(getattr(oracle.transform(), NAMES.get(name, name))())
    assert _score(name, _counts(forecast, observed)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, row in SCORES.items() if row[2]])
def test_a_score_equals_that_of_pysteps(name: str) -> None:
    forecast, observed = _events(3, 0.2), _events(4, 0.3)
    key = SCORES[name][2]
    oracle = det_cat_fct(forecast.numpy() * 2.0, observed.numpy() * 2.0, 1.0, key)
    assert _score(name, _counts(forecast, observed)) == pytest.approx(oracle[key], abs=1e-12)


def test_finley_s_tornado_forecasts_score_as_in_the_textbooks() -> None:
    finley = {"h": 28, "m": 23, "f": 72, "c": 2680}
    expected = {
        "critical_success_index": 0.228,
        "probability_of_detection": 0.549,
        "false_alarm_ratio": 0.720,
        "success_ratio": 0.280,
        "frequency_bias": 1.961,
        "heidke_skill_score": 0.355,
        "gilbert_skill_score": 0.216,
        "peirce_skill_score": 0.523,
        "accuracy": 0.966,
        "symmetric_extremal_dependence_index": 0.753,
    }
    found = {name: round(_score(name, finley), 3) for name in SCORES}
    assert found == expected


def test_a_perfect_forecast_has_the_best_scores() -> None:
    observed = _events(5, 0.3)
    counts = _counts(observed, observed)
    best = {name: 0.0 if name == "false_alarm_ratio" else 1.0 for name in SCORES}
    assert {name: _score(name, counts) for name in SCORES} == best


@pytest.mark.parametrize("name", sorted(SCORES.keys() - {"accuracy"}))
def test_no_event_at_all_leaves_a_score_undefined(name: str) -> None:
    assert math.isnan(_score(name, {"h": 0, "m": 0, "f": 0, "c": 100}))
    assert math.isnan(_score(name, {"h": 0, "m": 0, "f": 0, "c": 0}))


def test_frequency_bias_without_an_observed_event_is_nan_where_scores_says_infinity() -> None:
    counts = {"tp_count": 0, "fn_count": 0, "fp_count": 5, "tn_count": 95, "total_count": 100}
    oracle = BasicContingencyManager({key: xr.DataArray(n) for key, n in counts.items()})
    assert math.isinf(float(oracle.frequency_bias()))
    assert math.isnan(_score("frequency_bias", {"h": 0, "m": 0, "f": 5, "c": 95}))


def test_heidke_skill_holds_for_counts_whose_products_outgrow_int64() -> None:
    small = torch.tensor([28, 23, 72, 2680])
    score = skill.heidke_skill_score
    assert score(*(small * 10**9)) == pytest.approx(float(score(*small)))


def test_the_four_counts_add_to_the_compared_pixels() -> None:
    forecast, observed = _events(6, 0.4, (3, 20, 30)), _events(7, 0.3, (20, 30))
    table = counts.count_events(forecast, observed, torch.tensor(600))
    assert torch.equal(sum(table), torch.full((3,), 600))
    assert torch.equal(table.hits + table.misses, observed.sum().expand(3))
    assert torch.equal(table.hits + table.false_alarms, forecast.sum((1, 2)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 4, 5), (2, 3, 300, 301)])
def test_pixels_are_counted_as_a_plain_sum_counts_them(shape: tuple[int, ...]) -> None:
    planes = _events(8, 0.7, shape)
    assert torch.equal(counts.count_pixels(planes), planes.sum((-2, -1)))


@pytest.mark.parametrize("relation", RELATIONS, ids=str)
@pytest.mark.parametrize("step", RATE_STEPS.values(), ids=RATE_STEPS)
def test_a_rate_equal_to_the_threshold_is_an_event_stored_or_not(relation: ZR, step: float) -> None:
    rates = step * np.arange(1, 400)
    dbz = relation.dbz(rates).astype(np.float32)
    for held in (dbz, unpack(pack(dbz))):
        for place, threshold in enumerate(rates[:200]):
            limit = counts.event_limit(relation.threshold_dbz(float(threshold)))
            events = torch.from_numpy(held) >= limit
            assert events[place:].all()
            assert not events[:place].any()


def test_a_threshold_halfway_between_two_stored_steps_counts_the_lower_one() -> None:
    assert counts.event_limit(23.015) == pytest.approx(23.005)
    assert counts.event_limit(23.0151) == pytest.approx(23.015)


def test_a_network_s_rate_within_a_hundredth_of_a_dbz_below_the_threshold_is_an_event() -> None:
    for threshold in np.linspace(5, 45, 1001):
        assert 0 < threshold - counts.event_limit(threshold) <= 0.01001
    assert counts.event_limit(ZR(200.0, 1.6).threshold_dbz(0.1)) > NO_ECHO


def test_all_dry_pixels_are_right_where_forecast_dry() -> None:
    assert _score("accuracy", {"h": 0, "m": 0, "f": 0, "c": 100}) == 1.0
    assert math.isnan(_score("accuracy", {"h": 0, "m": 0, "f": 0, "c": 0}))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"h": 5, "m": 0, "f": 0, "c": 9}, 1.0),
        ({"h": 5, "m": 0, "f": 3, "c": 9}, 1.0),
        ({"h": 5, "m": 4, "f": 0, "c": 9}, 1.0),
        ({"h": 0, "m": 5, "f": 3, "c": 9}, -1.0),
        ({"h": 2, "m": 3, "f": 9, "c": 0}, -1.0),
        ({"h": 5, "m": 0, "f": 9, "c": 0}, math.nan),
        ({"h": 0, "m": 5, "f": 0, "c": 9}, math.nan),
    ],
)
def test_sedi_takes_its_limit_where_scores_and_pysteps_leave_it_undefined(
    table: dict[str, float], expected: float
) -> None:
    found = _score("symmetric_extremal_dependence_index", table)
    assert found == expected or (math.isnan(found) and math.isnan(expected))
    keys = dict(zip("hmfc", ("tp_count", "fn_count", "fp_count", "tn_count"), strict=True))
    held = {keys[letter]: xr.DataArray(n) for letter, n in table.items()}
    oracle = BasicContingencyManager(held | {"total_count": xr.DataArray(sum(table.values()))})
    with np.errstate(divide="ignore", invalid="ignore"):
        undefined = float(oracle.symmetric_extremal_dependence_index())
    assert not np.isfinite(undefined)

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.verification.parts import scores_of, sums_of
from nowcast.verification.protocol import DEFAULT_PARTS
from nowcast.verification.scores_file import score_table
from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.batch import NO_ECHO, ZR
from pipeline.packing import pack, unpack

RELATION = ZR(200.0, 1.6)
SUMS, SCORES = sums_of(DEFAULT_PARTS), scores_of(DEFAULT_PARTS)
SKILLS = ("mae_skill", "rmse_skill", "mae_dbz_skill", "rmse_dbz_skill")
LEADS = [5, 10, 15]
SHAPE = (len(LEADS), 24, 30)
START = np.datetime64("2018-06-16T00:00")
PROTOCOL: dict[str, Any] = {
    "forecasters": ["persistence", "network"],
    "lead_minutes": LEADS,
    "thresholds": [0.1, 1.0, 5.0],
    "zr": RELATION,
    "scales_km": [1.0, 5.0],
    "pixel_km": 1.0,
}


def _time(n: int) -> np.datetime64:
    return START + n * np.timedelta64(5, "m")


def _field(seed: int, missing: float = 0.1, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    dbz = RELATION.dbz(generator.gamma(0.3, 6.0, shape) - 0.05)
    dbz[generator.random(shape) < missing] = np.nan
    return torch.from_numpy(dbz.astype(np.float32))


def _count(tally: Tally, n: int) -> None:
    forecasts = {"persistence": _field(3 * n), "network": _field(3 * n + 1)}
    tally.update(_time(n), forecasts, _field(3 * n + 2))


def _tally(*numbers: int) -> Tally:
    tally = Tally(**PROTOCOL)
    for n in numbers:
        _count(tally, n)
    return tally


def _of_fields(forecast: torch.Tensor, observed: torch.Tensor, **changes: Any) -> Tally:
    """A tally of one issue time whose only forecaster is `network`."""
    leads = LEADS[: len(observed)]
    protocol = PROTOCOL | {"forecasters": ["network"], "lead_minutes": leads} | changes
    tally = Tally(**protocol)
    tally.update(START, {"network": forecast}, observed)
    return tally


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    return _tally(*range(6)).to_dataset()


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(0, 6), min_size=2, max_size=2))
def test_any_parts_in_any_order_add_to_exactly_the_whole(order: list[int], cuts: list[int]) -> None:
    whole, (low, high) = _tally(*range(6)).to_dataset(), sorted(cuts)
    parts = [_tally(*order[:low]), _tally(*order[low:high]), _tally(*order[high:])]
    left = (parts[0] + parts[1]) + parts[2]
    right = parts[2] + (parts[1] + parts[0])
    xr.testing.assert_identical(left.to_dataset(), whole)
    xr.testing.assert_identical(right.to_dataset(), whole)


def test_a_tally_comes_back_from_its_file_unchanged(tmp_path: Path, whole: xr.Dataset) -> None:
    whole.to_netcdf(tmp_path / "scores.nc")
    with xr.open_dataset(tmp_path / "scores.nc") as opened:
        again = Tally.from_dataset(opened)
        xr.testing.assert_identical(opened.load(), whole)
    xr.testing.assert_identical(again.to_dataset(), whole)
    assert again.protocol == _tally().protocol


def test_days_merged_from_files_equal_one_run(tmp_path: Path, whole: xr.Dataset) -> None:
    for name, numbers in (("a", (0, 4, 2)), ("b", (5, 3, 1))):
        _tally(*numbers).to_dataset().to_netcdf(tmp_path / f"{name}.nc")
    parts = [Tally.from_dataset(xr.load_dataset(tmp_path / f"{name}.nc")) for name in "ba"]
    xr.testing.assert_identical((parts[0] + parts[1]).to_dataset(), whole)


def test_a_tally_goes_on_counting_after_its_file(whole: xr.Dataset) -> None:
    tally = Tally.from_dataset(_tally(0, 1, 2).to_dataset())
    for n in (3, 4, 5):
        _count(tally, n)
    xr.testing.assert_identical(tally.to_dataset(), whole)


def test_adding_leaves_both_parts_as_they_were() -> None:
    first, second = _tally(0), _tally(1)
    both = first + second
    _count(both, 2)
    assert (len(first.rows), len(second.rows), len(both.rows)) == (1, 1, 3)


def test_an_issue_time_counts_once() -> None:
    tally = _tally(0, 1)
    before = tally.to_dataset()
    with pytest.raises(ValueError, match="issue time 2018-06-16T00:05 is counted already"):
        _count(tally, 1)
    with pytest.raises(ValueError, match="issue time 2018-06-16T00:05 is in both"):
        tally + _tally(1, 2)
    xr.testing.assert_identical(tally.to_dataset(), before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("forecasters", ["persistence", "other"]),
        ("lead_minutes", [5, 10, 20]),
        ("thresholds", [0.1, 1.0, 10.0]),
        ("zr", ZR(316.0, 1.5)),
        ("scales_km", [1.0, 20.0]),
        ("pixel_km", 2.0),
        ("cadence_minutes", 5),
        ("members", 3),
        ("cell_km", 8.0),
        ("parts", ("categorical",)),
    ],
)
def test_tallies_of_different_protocols_do_not_add(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"tally: expected {name} .*, found .*only tallies of one"):
        _tally() + Tally(**PROTOCOL | {name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("forecasters", [], "forecasters of different names"),
        ("forecasters", ["network", "network"], "forecasters of different names"),
        ("lead_minutes", [], "lead_minutes above 0 and rising"),
        ("lead_minutes", [10, 5], "lead_minutes above 0 and rising"),
        ("thresholds", [0.0, 1.0], "thresholds above 0 and rising"),
        ("thresholds", [1e-9], "thresholds above -32 dBZ, found 1e-09 mm/h"),
        ("thresholds", [math.nan], "thresholds above 0 and rising"),
        ("scales_km", [5.0, 5.0], "scales_km above 0 and rising"),
        ("pixel_km", 0.0, "pixel_km above 0, found 0.0"),
        ("pixel_km", math.nan, "pixel_km above 0, found nan"),
        ("members", 0, "members above 0, found 0"),
        ("parts", ("categorical", "zeal"), "no part 'zeal'; there are"),
        ("parts", ("spatial",), "expected 'categorical' among the parts"),
    ],
)
def test_a_protocol_without_sense_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tally(**PROTOCOL | {name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f, o: (f | {"third": o}, o), r"expected forecasts of \['persistence', 'network'\]"),
        (lambda _, o: ({"network": o}, o), r"found \['network'\]"),
        (lambda f, o: (f, o[:2]), r"expected observed \(3, height, width\), found \(2, 24, 30\)"),
        (lambda f, o: (f, o[0]), r"found \(24, 30\)"),
        (lambda f, o: (f | {"network": o[..., 1:]}, o), r"expected network of shape \(3, 24, 30\)"),
        (lambda f, o: (f, o.clone().fill_(math.inf)), "expected finite dBZ or NaN"),
        (lambda f, o: (f | {"network": o.clone().fill_(-math.inf)}, o), "found an infinity"),
    ],
)
def test_fields_that_do_not_fit_are_refused_and_nothing_is_counted(
    change: Callable[..., tuple[dict[str, torch.Tensor], torch.Tensor]], words: str
) -> None:
    tally = _tally()
    fields = {"persistence": _field(1), "network": _field(2)}
    with pytest.raises(ValueError, match=words):
        tally.update(START, *change(fields, _field(3)))
    assert not tally.rows


def test_every_forecaster_is_scored_on_the_same_pixels() -> None:
    ours, theirs, observed = _field(1, 0.2), _field(2, 0.4), _field(3, 0.3)
    tally = Tally(**PROTOCOL)
    tally.update(START, {"persistence": ours, "network": theirs}, observed)
    common = ~(ours.isnan() | theirs.isnan() | observed.isnan())
    sums = tally.sums().isel(issue_time=0)
    for name, missing in (("persistence", ours.isnan()), ("network", theirs.isnan())):
        row = sums.sel(forecaster=name)
        assert row["pixels"].values.tolist() == common.sum((1, 2)).tolist()
        lost = (missing & ~observed.isnan()).sum((1, 2))
        assert row["missing_pixels"].values.tolist() == lost.tolist()
        assert row["observed_pixels"].values.tolist() == (~observed.isnan()).sum((1, 2)).tolist()
    blanked = torch.where(common, ours, math.nan)
    alone = _of_fields(blanked, torch.where(common, observed, math.nan))
    assert torch.equal(
        torch.from_numpy(alone.csi().sel(forecaster="network").values),
        torch.from_numpy(tally.csi().sel(forecaster="persistence").values),
    )


def test_counts_add_to_the_compared_pixels(whole: xr.Dataset) -> None:
    table = sum(whole[name] for name in ("hits", "misses", "false_alarms", "correct_negatives"))
    assert (table == whole["pixels"]).all()
    assert (whole["pixels"] > 0).all()


def test_scores_are_pooled_from_sums_and_not_averaged(whole: xr.Dataset) -> None:
    hits, misses, alarms = (
        whole[name].sum("issue_time") for name in ("hits", "misses", "false_alarms")
    )
    pooled = (hits / (hits + misses + alarms)).transpose(*whole["csi"].dims)
    np.testing.assert_allclose(whole["csi"], pooled)
    rates = [RELATION.rain_rate(_field(3 * n + 1).double()) for n in range(6)]
    seen = [RELATION.rain_rate(_field(3 * n + 2).double()) for n in range(6)]
    lost = [_field(3 * n).isnan() for n in range(6)]
    errors = [
        torch.where(gone, math.nan, a - b) for a, b, gone in zip(rates, seen, lost, strict=True)
    ]
    expected = torch.stack(errors).abs().permute(1, 0, 2, 3).flatten(1).nanmean(1)
    np.testing.assert_allclose(whole["mae"].sel(forecaster="network"), expected, rtol=1e-5)


def test_a_perfect_forecast_has_the_best_of_every_score() -> None:
    observed = _field(4)
    scores = _of_fields(observed, observed.clone()).to_dataset()
    assert (scores["useful_scale"] == 1.0).all()
    for name, score in SCORES.items():
        if name != "useful_scale":
            np.testing.assert_allclose(scores[name], float(score.best), atol=1e-6, err_msg=name)


def test_what_a_forecaster_leaves_missing_is_a_score_of_its_own() -> None:
    forecast, observed = _field(5, 0.0), _field(6, 0.0)
    forecast[0, :, :15] = math.nan
    observed[0, :12] = math.nan
    assert _of_fields(forecast, observed).score("missing_share").values.tolist() == [
        [0.5, 0.0, 0.0]
    ]


def test_dry_fields_have_errors_of_zero_and_no_categorical_score() -> None:
    dry = torch.full(SHAPE, NO_ECHO)
    scores = _of_fields(dry, dry).to_dataset()
    assert (scores["correct_negatives"] == 24 * 30).all()
    assert (scores["mae"] == 0).all()
    assert (scores["missing_share"] == 0).all()
    for name in ("csi", "pod", "far", "success_ratio", "frequency_bias", "hss", "fss"):
        assert scores[name].isnull().all(), name


@pytest.mark.parametrize("side", ["forecast", "observed", "both"])
def test_all_missing_fields_leave_every_score_undefined(side: str) -> None:
    nothing = torch.full(SHAPE, math.nan)
    forecast = _field(7) if side == "observed" else nothing
    observed = _field(8) if side == "forecast" else nothing
    scores = _of_fields(forecast, observed).to_dataset()
    assert (scores["pixels"] == 0).all()
    assert all(scores[name].isnull().all() for name in SCORES if name != "missing_share")
    if side == "forecast":
        assert (scores["missing_share"] == 1).all()


def test_a_constant_forecast_of_rain_is_half_right_over_half_the_area() -> None:
    forecast = torch.full(SHAPE, RELATION.threshold_dbz(2.0))
    observed = forecast.clone()
    observed[:, :, 15:] = NO_ECHO
    tally = _of_fields(forecast, observed)
    at_one = {"threshold": 1.0}
    assert (tally.csi().sel(at_one) == 0.5).all()
    assert (tally.score("pod").sel(at_one) == 1).all()
    assert (tally.score("far").sel(at_one) == 0.5).all()
    assert (tally.score("frequency_bias").sel(at_one) == 2).all()
    assert (tally.score("hss").sel(at_one) == 0).all()
    np.testing.assert_allclose(tally.score("mae"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(tally.score("mean_error"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(tally.score("rmse"), math.sqrt(2), rtol=1e-5)


def test_one_pixel_is_enough() -> None:
    wet, dry = torch.full((1, 1, 1), 30.0), torch.full((1, 1, 1), NO_ECHO)
    assert (_of_fields(wet, wet).csi().sel(threshold=1.0) == 1).all()
    assert (_of_fields(wet, dry).csi().sel(threshold=1.0) == 0).all()
    assert (_of_fields(wet, dry).fss().sel(threshold=1.0) == 0).all()


def test_without_any_issue_time_there_is_a_file_of_undefined_scores(tmp_path: Path) -> None:
    _tally().to_dataset().to_netcdf(tmp_path / "scores.nc")
    scores = xr.load_dataset(tmp_path / "scores.nc")
    assert scores.sizes["issue_time"] == 0
    assert all(scores[name].isnull().all() for name in SCORES)
    again = Tally.from_dataset(scores) + _tally(0)
    xr.testing.assert_identical(again.to_dataset(), _tally(0).to_dataset())


def test_skill_is_measured_against_persistence(whole: xr.Dataset) -> None:
    for name in ("mae", "rmse"):
        skill = whole[f"{name}_skill"]
        assert (skill.sel(forecaster="persistence") == 0).all()
        ratio = whole[name].sel(forecaster="network") / whole[name].sel(forecaster="persistence")
        np.testing.assert_allclose(skill.sel(forecaster="network"), 1 - ratio)
    xr.testing.assert_identical(_tally(*range(6)).skill("rmse"), whole["rmse_skill"])
    against = _tally(0).skill("mae", "network")
    assert (against.sel(forecaster="network") == 0).all()


def test_skill_without_its_reference_is_refused_and_left_out_of_the_file() -> None:
    tally = _of_fields(_field(1), _field(2))
    with pytest.raises(ValueError, match="no reference 'persistence' among the forecasters"):
        tally.skill()
    assert "mae_skill" not in tally.to_dataset()


def test_every_method_reads_the_score_of_the_file(whole: xr.Dataset) -> None:
    tally = Tally.from_dataset(whole)
    for name in SCORES:
        xr.testing.assert_identical(tally.score(name), whole[name])
    for name in ("csi", "fss"):
        xr.testing.assert_identical(getattr(tally, name)(), whole[name])
    with pytest.raises(ValueError, match="no score 'ets'; there are"):
        tally.score("ets")
    with pytest.raises(ValueError, match=r"'ssim': found no sums \['ssim_sum', 'ssim_pixels'\]"):
        tally.score("ssim")


def test_the_file_describes_itself(whole: xr.Dataset) -> None:
    assert set(whole.data_vars) == {*SUMS, *SCORES, *SKILLS}
    for name, variable in whole.variables.items():
        assert name in ("forecaster", "issue_time") or "units" in variable.attrs, name
    for name in (*SCORES, *SKILLS):
        assert {"long_name", "units", "range", "best"} <= set(whole[name].attrs)
    assert whole["csi"].dims == ("forecaster", "lead_time", "threshold")
    assert whole["fss"].dims == ("forecaster", "lead_time", "threshold", "scale")
    assert whole["hits"].dims == ("forecaster", "issue_time", "lead_time", "threshold")
    assert whole["hits"].dtype == np.int64
    assert whole["lead_time"].attrs["units"] == "minutes"
    assert whole["window_pixels"].values.tolist() == [1, 5]
    np.testing.assert_allclose(whole["threshold_dbz"], [7.0103, 23.0103, 34.1938], atol=1e-4)
    assert (whole.attrs["zr_a"], whole.attrs["zr_b"], whole.attrs["pixel_km"]) == (200, 1.6, 1)
    assert {"Conventions", "title", "mask", "thresholds", "pooling"} <= set(whole.attrs)


def test_another_file_is_no_scores_file(whole: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=r"expected the variables of a scores file.*'hits'"):
        Tally.from_dataset(whole.drop_vars("hits"))


def test_a_threshold_met_exactly_is_an_event_after_a_trip_through_the_store() -> None:
    dbz = unpack(pack(RELATION.dbz(np.full(SHAPE, 1.0))))
    assert (dbz < RELATION.threshold_dbz(1.0)).all()
    fields = torch.from_numpy(dbz)
    assert (_of_fields(fields, fields).csi().sel(threshold=1.0) == 1).all()


def test_half_and_double_precision_are_counted_as_single() -> None:
    observed = torch.full(SHAPE, 30.0)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert (_of_fields(observed.to(dtype), observed).csi().sel(threshold=1.0) == 1).all()


def test_a_table_shows_forecasters_by_lead_time(whole: xr.Dataset) -> None:
    table = score_table(whole)
    assert table.index.tolist() == ["persistence", "network"]
    assert table.columns.tolist() == LEADS
    np.testing.assert_array_equal(table, whole["csi"].sel(threshold=1.0))
    np.testing.assert_array_equal(score_table(whole, "mae"), whole["mae"])
    fss = score_table(whole, "fss", threshold=5, scale=5)
    np.testing.assert_array_equal(fss, whole["fss"].sel(threshold=5.0, scale=5.0))


@pytest.mark.parametrize(
    ("score", "choice", "words"),
    [
        ("nse", {}, "no score 'nse'; there are"),
        ("hits", {}, "no score 'hits'; there are"),
        ("csi", {"threshold": 2.0}, "expected a threshold of 0.1, 1, 5 mm/h, found 2"),
        ("fss", {"scale": 3.0}, "expected a scale of 1, 5 km, found 3"),
    ],
)
def test_a_table_of_what_is_not_there_is_refused(
    whole: xr.Dataset, score: str, choice: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        score_table(whole, score, **choice)


def test_the_usual_protocol_is_that_of_the_field() -> None:
    tally = Tally(["persistence"], range(6, 66, 6), THRESHOLDS, RELATION, SCALES_KM, 0.5)
    assert tally.protocol.widths == (3, 11, 41, 81)
    assert tally.protocol.difference(tally.protocol) is None
    assert "pixel_km 0.5, found 1.0" in str(
        tally.protocol.difference(replace(tally.protocol, pixel_km=1.0))
    )


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_an_update_leaves_the_fields_as_they_were(missing: float) -> None:
    forecast, observed = _field(1, missing), _field(2, missing)
    before = forecast.clone(), observed.clone()
    parts = ("categorical", "continuous", "spatial", "matched", "classes", "maps", "similarity")
    tally = Tally(**PROTOCOL | {"forecasters": ["network"], "parts": parts})
    tally.update(_time(0), {"network": forecast}, observed)
    for field, was in zip((forecast, observed), before, strict=True):
        torch.testing.assert_close(field, was, rtol=0, atol=0, equal_nan=True)

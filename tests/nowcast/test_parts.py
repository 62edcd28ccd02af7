from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from nowcast.verification.merging import check_comparable, merge
from nowcast.verification.part import Sum
from nowcast.verification.parts import PARTS, SCORES, SUMS
from nowcast.verification.scores_file import by_hour, score_table
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

RELATION = ZR(200.0, 1.6)
SHAPE = (2, 24, 30)
START = np.datetime64("2018-06-16T00:00")
ALL: dict[str, Any] = {
    "forecasters": ["persistence", "steps"],
    "lead_minutes": [5, 10],
    "thresholds": [0.1, 1.0, 5.0],
    "zr": RELATION,
    "scales_km": [1.0, 5.0],
    "pixel_km": 1.0,
    "cadence_minutes": 5,
    "members": 3,
    "cell_km": 8.0,
    "parts": tuple(PARTS),
}


def _field(seed: int, *many: int, missing: float = 0.05) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    dbz = RELATION.dbz(generator.gamma(0.3, 6.0, (*many, *SHAPE)) - 0.05)
    dbz[generator.random(dbz.shape) < missing] = np.nan
    return torch.from_numpy(dbz.astype(np.float32))


def _tally(*numbers: int, **changes: Any) -> Tally:
    tally = Tally(**ALL | changes)
    for n in numbers:
        fields = {"persistence": _field(3 * n), "steps": _field(3 * n + 1, 3)}
        tally.update(START + n * np.timedelta64(7, "h"), fields, _field(3 * n + 2))
    return tally


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    return _tally(*range(4)).to_dataset()


def test_files_of_different_days_merge_to_exactly_one_run(
    tmp_path: Path, whole: xr.Dataset
) -> None:
    paths = []
    for numbers in ((2,), (0, 3), (1,)):
        paths.append(tmp_path / f"{numbers[0]}.nc")
        _tally(*numbers).to_dataset().to_netcdf(paths[-1])
    xr.testing.assert_identical(merge(paths), whole)
    xr.testing.assert_identical(merge(paths[::-1]), whole)
    with pytest.raises(ValueError, match=r"2\.nc: tally: issue time .* is in both"):
        merge([paths[0], paths[0]])
    with pytest.raises(ValueError, match="expected at least one scores file, found none"):
        merge([])


def test_files_of_different_protocols_do_not_merge_nor_compare(tmp_path: Path) -> None:
    _tally(0).to_dataset().to_netcdf(tmp_path / "a.nc")
    other = _tally(1, thresholds=[0.1, 1.0, 10.0]).to_dataset()
    other.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(ValueError, match=r"b\.nc: tally: expected thresholds .*, found"):
        merge([tmp_path / "a.nc", tmp_path / "b.nc"])
    here = xr.load_dataset(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"expected protocol \w{12} \(thresholds .*score both by"):
        check_comparable(here, other)
    with pytest.raises(ValueError, match="expected the same issue_times in both files"):
        check_comparable(here, _tally(1).to_dataset())
    with pytest.raises(ValueError, match="expected the same compared pixels in both files"):
        check_comparable(here, here.assign(pixels=here["pixels"] + 1))
    check_comparable(here, _tally(0).to_dataset())


def test_maps_of_different_grids_do_not_add() -> None:
    parts = ("categorical", "maps")
    small = Tally(**ALL | {"parts": parts, "forecasters": ["network"], "members": 1})
    large = Tally(**ALL | {"parts": parts, "forecasters": ["network"], "members": 1})
    small.update(START, {"network": _field(1)}, _field(2))
    wide = torch.zeros(2, 24, 60)
    large.update(START + np.timedelta64(1, "h"), {"network": wide}, wide)
    with pytest.raises(ValueError, match="maps of one grid alone add"):
        small + large


def test_the_protocol_s_id_tells_rules_apart_and_not_forecasters() -> None:
    own = _tally().protocol.id
    assert own == _tally(forecasters=["a"], lead_minutes=[6], members=1).protocol.id
    for change in (
        {"thresholds": [1.0]},
        {"zr": ZR(316.0, 1.5)},
        {"scales_km": [2.0]},
        {"pixel_km": 0.5},
        {"cadence_minutes": 10},
        {"cell_km": 4.0},
    ):
        assert _tally(**change).protocol.id != own, change


def test_a_file_of_other_rules_is_refused(whole: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="found 0123456789ab; made by other rules"):
        Tally.from_dataset(whole.assign_attrs(protocol_id="0123456789ab"))


def test_threads_count_as_one_does(whole: xr.Dataset) -> None:
    torch.set_num_threads(2)
    try:
        xr.testing.assert_identical(_tally(*range(4)).to_dataset(), whole)
    finally:
        torch.set_num_threads(1)
    tally = Tally(**ALL)

    def count(n: int) -> None:
        fields = {"persistence": _field(3 * n), "steps": _field(3 * n + 1, 3)}
        tally.update(START + n * np.timedelta64(7, "h"), fields, _field(3 * n + 2))

    threads = [threading.Thread(target=count, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    xr.testing.assert_identical(tally.to_dataset(), whole)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_says_what_it_is(name: str, whole: xr.Dataset) -> None:
    described = whole[name].attrs
    assert described["long_name"]
    assert described["range"]
    assert described["best"]
    assert whole[name].dims == SCORES[name].dims
    text = SCORES[name].function.__doc__
    assert text is not None
    for heading in ("Args:", "Undefined:"):
        assert heading in text, heading
    assert "Source:" in text or name == "missing_share"
    assert "Range" in text


@pytest.mark.parametrize("name", SUMS)
def test_every_sum_is_in_the_file_with_its_dimensions(name: str, whole: xr.Dataset) -> None:
    kind = SUMS[name]
    dims = set(kind.dims) if kind.pooled else {*kind.dims, "issue_time"}
    assert set(whole[name].dims) == dims
    assert whole[name].dtype == kind.dtype


def test_a_pooled_sum_of_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="expected integers where issue times are pooled"):
        Sum("errors", pooled=True)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("content", [math.nan, NO_ECHO, 30.0], ids=["missing", "dry", "rain"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (24, 31)], ids=str)
def test_every_part_counts_any_field(part: str, content: float, shape: tuple[int, int]) -> None:
    parts = tuple(dict.fromkeys(("categorical", "continuous", part)))
    tally = Tally(**ALL | {"parts": parts, "lead_minutes": [5]})
    field = torch.full((1, *shape), content)
    tally.update(START, {"persistence": field, "steps": field.expand(3, *field.shape)}, field)
    scores = tally.to_dataset()
    for name, kind in PARTS[part].sums.items():
        assert np.isfinite(scores[name]).all(), name
        assert kind.dtype != np.float64 or (scores[name] > -1e-9).all(), name
    again = Tally.from_dataset(scores)
    xr.testing.assert_identical(again.to_dataset(), scores)
    if math.isnan(content):
        derived = set(PARTS[part].scores) - {"missing_share", "spectrum", "spectrum_observed"}
        assert all(scores[name].isnull().all() for name in derived)


def test_scores_by_hour_pool_the_issue_times_of_that_hour(whole: xr.Dataset) -> None:
    hourly = by_hour("csi", whole)
    assert hourly["hour"].values.tolist() == [0, 7, 14, 21]
    for n in range(4):
        alone = _tally(n).csi().values
        np.testing.assert_array_equal(hourly.sel(hour=7 * n), alone)
    with pytest.raises(ValueError, match="of all issue times, not told by hour"):
        by_hour("csi_map", whole)


def test_an_ensemble_of_the_wrong_size_is_refused() -> None:
    tally = Tally(**ALL)
    fields = {"persistence": _field(1), "steps": _field(2, 4)}
    words = r"expected steps of shape \(2, 24, 30\) as observed, found \(4, 2, 24, 30\), or 3 memb"
    with pytest.raises(ValueError, match=words):
        tally.update(START, fields, _field(3))
    assert not tally.rows


def test_an_ensemble_is_represented_by_its_mean_rate() -> None:
    members = torch.stack([torch.full(SHAPE, RELATION.threshold_dbz(rate)) for rate in (1, 2, 6)])
    mean = torch.full(SHAPE, RELATION.threshold_dbz(3.0))
    tally = Tally(**ALL | {"parts": ("categorical", "continuous")})
    tally.update(START, {"persistence": mean, "steps": members}, mean)
    scores = tally.to_dataset()
    np.testing.assert_allclose(scores["mae"], 0, atol=1e-5)
    np.testing.assert_array_equal(*(scores["hits"].isel(forecaster=n) for n in (0, 1)))


def test_a_table_is_refused_for_scores_of_more_axes(whole: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="no score 'csi_map'; there are"):
        score_table(whole, "csi_map")
    assert score_table(whole, "matched_csi").shape == (2, 2)
    assert score_table(whole, "crps").shape == (2, 2)

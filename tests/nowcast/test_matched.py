from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nowcast.verification.counts import event_limit
from nowcast.verification.frame import Frame
from nowcast.verification.matched import count, matched_index, matched_limit
from nowcast.verification.parts import PARTS
from nowcast.verification.protocol import Protocol
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

RELATION = ZR(200.0, 1.6)
EDGES = torch.tensor([NO_ECHO, *map(float, range(61))])
PROTOCOL = Protocol(("network",), (5,), (0.1, 1.0, 5.0), RELATION, (1.0,), 1.0)


def _field(seed: int, shape: tuple[int, int] = (60, 80), missing: float = 0.0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.normal(size=shape), 3)
    dbz = 22 + 12 * smooth / smooth.std()
    dbz[dbz < 5] = NO_ECHO
    dbz[generator.random(shape) < missing] = np.nan
    return torch.from_numpy(dbz.astype(np.float32))


def _histogram(forecast: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    return count(Frame(PROTOCOL, [forecast], observed))["dbz_histogram"]


def test_pixels_are_counted_as_a_two_dimensional_histogram_counts_them() -> None:
    forecast, observed = _field(1, missing=0.1), _field(2, missing=0.2)
    known = ~(forecast.isnan() | observed.isnan())
    limits = [np.float32(event_limit(dbz)) for dbz in PROTOCOL.thresholds_dbz]
    expected, *_ = np.histogram2d(
        forecast[known].numpy(),
        observed[known].numpy(),
        [[-99, *range(61), 99], [-99, *limits, 99]],
    )
    found = _histogram(forecast, observed)
    assert found.shape == (1, 62, 4)
    np.testing.assert_array_equal(found[0], expected)


def test_a_forecast_that_is_wet_by_three_decibels_matches_as_well_as_the_right_one() -> None:
    observed = _field(3)
    wetter = torch.where(observed > NO_ECHO, observed + 3, observed)
    raw, even = (
        Tally(("network",), (5,), (1.0,), RELATION, (1.0,), 1.0, parts=("categorical", "matched"))
        for _ in range(2)
    )
    time = np.datetime64("2018-06-16T00:00")
    raw.update(time, {"network": wetter[None]}, observed[None])
    even.update(time, {"network": observed[None]}, observed[None])
    assert raw.score("frequency_bias").item() > 1.15
    assert raw.csi().item() < 0.9
    assert raw.score("matched_csi").item() == pytest.approx(1.0, abs=0.05)
    shift = raw.score("matched_limit").item() - even.score("matched_limit").item()
    assert shift == pytest.approx(3.0, abs=1e-4)
    assert even.score("matched_limit").item() == pytest.approx(23.0, abs=0.1)


def _by_hand(forecast: np.ndarray, observed: np.ndarray, limit: float) -> float:
    events = observed >= limit
    least = np.sort(forecast.ravel())[-events.sum()]
    here = forecast >= least
    return float((here & events).sum() / (here | events).sum())


def test_matched_csi_is_that_of_the_threshold_found_by_sorting() -> None:
    forecast, observed = _field(4) - 4, _field(4) + torch.roll(_field(5), 3) * 0.2
    found = matched_index(_histogram(forecast, observed), EDGES)[0]
    for place, rate in enumerate(PROTOCOL.thresholds):
        limit = RELATION.threshold_dbz(rate)
        expected = _by_hand(forecast.numpy(), observed.numpy(), limit)
        assert float(found[place]) == pytest.approx(expected, abs=0.02), rate


def test_a_forecast_without_bias_is_matched_at_its_own_threshold() -> None:
    table = torch.zeros(1, 62, 2)
    table[0, 31, 1], table[0, 30, 0], table[0, 0, 0] = 8, 5, 100
    assert float(matched_index(table, EDGES)) == 1.0
    assert float(matched_limit(table, EDGES)) == 30.0
    table[0, 31, 1], table[0, 30, 1], table[0, 30, 0] = 8, 4, 4
    assert float(matched_limit(table, EDGES)) == 29.5
    assert float(matched_index(table, EDGES)) == pytest.approx(10 / (24 - 10))


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({(31, 0): 5, (0, 0): 9}, "nothing observed"),
        ({(31, 0): 5, (0, 1): 9}, "too little forecast"),
        ({}, "nothing compared"),
    ],
)
def test_what_cannot_be_matched_is_undefined(cells: dict[Any, float], why: str) -> None:
    table = torch.zeros(1, 62, 2)
    for place, pixels in cells.items():
        table[(0, *place)] = pixels
    assert math.isnan(matched_index(table, EDGES)), why
    assert math.isnan(matched_limit(table, EDGES)), why


def _tally(*parts: str, **choices: Any) -> Tally:
    leads, rates = (5, 10), (0.1, 1.0, 5.0)
    tally = Tally(("network", "other"), leads, rates, RELATION, (1.0,), 1.0, parts=parts, **choices)
    for n in range(3):
        observed = torch.stack([_field(10 * n, missing=0.1), _field(10 * n + 1)])
        fields = {
            name: torch.stack([_field(10 * n + k), _field(10 * n + k + 1, missing=0.1)])
            for name, k in (("network", 2), ("other", 5))
        }
        tally.update(np.datetime64("2018-06-16T00:00") + np.timedelta64(n, "h"), fields, observed)
    return tally


def test_classes_add_to_the_errors_of_all_pixels() -> None:
    whole = _tally(*PARTS).to_dataset()
    np.testing.assert_array_equal(whole["class_pixels"].sum("intensity"), whole["pixels"])
    for name in ("error_sum", "absolute_error_sum"):
        np.testing.assert_allclose(
            whole[f"class_{name}"].sum("intensity"), whole[name], rtol=1e-5, atol=1e-2
        )
    dry = whole["dbz_histogram"].sum(("dbz_bin", "issue_time")).isel(intensity=0)
    np.testing.assert_array_equal(dry, whole["class_pixels"].sum("issue_time").isel(intensity=0))


def test_the_cells_of_a_map_add_to_the_contingency_table() -> None:
    whole = _tally("categorical", "maps", cell_km=16.0).to_dataset()
    assert whole["map_hits"].shape == (2, 2, 3, 4, 5)
    for name in ("hits", "misses", "false_alarms", "correct_negatives"):
        cells = whole[f"map_{name}"].sum(("cell_y", "cell_x"))
        np.testing.assert_array_equal(cells, whole[name].sum("issue_time"))
    assert whole["csi_map"].dims == (
        "forecaster", "lead_time", "threshold", "cell_y", "cell_x",
    )  # fmt: skip
    assert float(whole["frequency_bias_map"].max()) > 0


def test_a_cell_counts_its_own_pixels_also_at_a_cut_edge() -> None:
    tally = Tally(
        ("network",), (5,), (1.0,), RELATION, (1.0,), 1.0, parts=("categorical", "maps"), cell_km=4
    )
    observed = torch.full((1, 6, 9), 30.0)
    forecast = observed.clone()
    forecast[0, :4, :4] = NO_ECHO
    tally.update(np.datetime64("2018-06-16T00:00"), {"network": forecast}, observed)
    scores = tally.to_dataset().isel(forecaster=0, lead_time=0, threshold=0)
    assert scores["map_misses"].values.tolist() == [[16, 0, 0], [0, 0, 0]]
    assert scores["map_hits"].values.tolist() == [[0, 16, 4], [8, 8, 2]]
    assert scores["csi_map"].values.tolist() == [[0, 1, 1], [1, 1, 1]]

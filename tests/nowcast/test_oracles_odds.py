"""Odds of ensembles against `scores` and pysteps, where no rounding stands between."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.typing import NDArray
from pysteps.verification.probscores import (
    ROC_curve,
    reldiag_accum,
    reldiag_compute,
    reldiag_init,
)
from scores.probability import crps_for_ensemble, rank_histogram, roc_auc

from nowcast.verification import odds
from nowcast.verification.counts import event_limit
from nowcast.verification.protocol import PROBABILITIES
from nowcast.verification.tally import Tally
from pipeline.batch import NO_ECHO, ZR

RELATION = ZR(200.0, 1.6)
START = np.datetime64("2018-06-16T00:00")
MEMBERS = 4
RATES = (0.5, 2.0)

Field = NDArray[np.float64]


def _fields(seed: int, missing: float = 0.0) -> tuple[Field, Field]:
    """Members (M, H, W) and observed (H, W) dBZ that know of each other; a third is dry in all."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(18, 8, (30, 40))
    members = truth + draw.normal(0, 6, (MEMBERS, 30, 40))
    observed = truth + draw.normal(0, 6, truth.shape)
    members[:, :10], observed[:10] = NO_ECHO, NO_ECHO
    observed[draw.random(observed.shape) < missing] = np.nan
    return members.astype(np.float32).astype(float), observed.astype(np.float32).astype(float)


def _score(name: str, members: Field, observed: Field) -> Field:
    parts = ("categorical", "continuous", "probabilistic")
    tally = Tally(["steps"], [5], RATES, RELATION, [1.0], 1.0, members=len(members), parts=parts)
    fields = [torch.from_numpy(field.astype(np.float32)) for field in (members, observed)]
    tally.update(START, {"steps": fields[0][:, None]}, fields[1][None])
    return np.asarray(tally.score(name).squeeze().values)


def _chances(members: Field, observed: Field) -> list[tuple[Field, Field, float]]:
    """By threshold the share of members with the event, the known observed and the limit."""
    limits = [event_limit(RELATION.threshold_dbz(rate)) for rate in RATES]
    known = np.isfinite(observed)
    return [((members >= limit).mean(0)[known], observed[known], limit) for limit in limits]


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("size", [2, 3, MEMBERS])
def test_fair_crps_equals_that_of_scores_pixel_by_pixel(size: int, missing: float) -> None:
    members, observed = _fields(1, missing)
    rates = [RELATION.rain_rate(field) for field in (members[:size], observed)]
    expected = crps_for_ensemble(
        xr.DataArray(rates[0], dims=list("myx")),
        xr.DataArray(rates[1], dims=list("yx")),
        "m",
        method="fair",
        preserve_dims="all",
    )
    found = odds.fair_crps(*(torch.from_numpy(field) for field in rates))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    mean = float(_score("crps", members[:size], observed))
    assert mean == pytest.approx(float(expected.mean()), rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_roc_area_equals_those_of_scores_and_pysteps(missing: float) -> None:
    members, observed = _fields(2, missing)
    found = _score("roc_area", members, observed)
    for place, (chance, seen, limit) in enumerate(_chances(members, observed)):
        # shares of four members are exact, so pysteps' thresholds of probability meet them
        *_, area = ROC_curve(chance, seen, limit, n_prob_thrs=MEMBERS + 1, compute_area=True)
        assert found[place] == pytest.approx(area, rel=1e-9)
        event = xr.DataArray((seen >= limit).astype(float), dims="pixel")
        theirs = roc_auc(xr.DataArray(chance, dims="pixel"), event)
        assert found[place] == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_reliability_diagram_equals_that_of_pysteps(missing: float) -> None:
    members, observed = _fields(3, missing)
    found = _score("observed_frequency", members, observed)
    for place, (chance, seen, limit) in enumerate(_chances(members, observed)):
        diagram = reldiag_init(limit, n_bins=MEMBERS + 1, min_count=1)
        diagram["bin_edges"] = np.linspace(-1, 2 * MEMBERS + 1, MEMBERS + 2) / (2 * MEMBERS)
        reldiag_accum(diagram, chance, seen)
        probability, frequency = reldiag_compute(diagram)
        held = np.isfinite(found[place])
        assert held.sum() == MEMBERS + 1
        np.testing.assert_allclose(found[place][held], frequency, rtol=1e-12)
        np.testing.assert_allclose(np.array(PROBABILITIES)[held], probability, atol=0.051)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_rank_histogram_equals_that_of_scores_which_shares_ties_alike(missing: float) -> None:
    members, observed = _fields(4, missing)
    expected = rank_histogram(
        xr.DataArray(members, dims=list("myx")), xr.DataArray(observed, dims=list("yx")), "m"
    )
    assert (members == observed).all(0).sum() > 200
    found = _score("rank_histogram", members, observed)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_spread_for_each_unit_of_error_is_that_of_plain_sums() -> None:
    members, observed = _fields(5)
    rates = [RELATION.rain_rate(field) for field in (members, observed)]
    spread = rates[0].var(0, ddof=1).mean() * (MEMBERS + 1) / MEMBERS
    error = ((rates[0].mean(0) - rates[1]) ** 2).mean()
    found = float(_score("spread_skill", members, observed))
    assert found == pytest.approx(np.sqrt(spread / error), rel=1e-5)

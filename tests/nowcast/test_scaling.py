"""Laws of every scaling in the table."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.scaling import (
    SCALINGS,
    Clip,
    Linear,
    Log,
    MeanDeviation,
    MinMax,
    Quantile,
    ZScore,
    scaling_from_json,
    scaling_to_json,
)
from pipeline.batch import NO_ECHO

MADE = {
    "linear": Linear(30.0),
    "clip": Clip(0.0, 75.0, 30.0),
    "log": Log(),
    "zscore": ZScore(12.0, 7.5),
    "mean_deviation": MeanDeviation((12.0,), (7.5,)),
    "minmax": MinMax(NO_ECHO, 75.0),
    "quantile": Quantile((-32.0, 3.0, 4.0, 30.5, 60.0)),
}
REFLECTIVITY = st.floats(0.125, 75.0, width=32) | st.just(NO_ECHO) | st.just(math.nan)


def test_every_scaling_is_made_here() -> None:
    assert {name: type(scaling) for name, scaling in MADE.items()} == SCALINGS


@pytest.mark.parametrize("name", SCALINGS)
@settings(deadline=None, max_examples=40)
@given(dbz=st.lists(REFLECTIVITY, min_size=1, max_size=20))
def test_decoding_undoes_encoding(name: str, dbz: list[float]) -> None:
    values = torch.tensor(dbz)
    decoded = MADE[name].decode(MADE[name].encode(values))
    torch.testing.assert_close(decoded, values, rtol=1e-5, atol=2e-4, equal_nan=True)


@pytest.mark.parametrize("name", SCALINGS)
def test_missing_stays_missing_and_nothing_else_becomes_it(name: str) -> None:
    values = torch.tensor([[NO_ECHO, math.nan], [60.0, 0.5]])
    for changed in (MADE[name].encode(values), MADE[name].decode(values / 60)):
        assert torch.equal(changed.isnan(), values.isnan())


@pytest.mark.parametrize("name", SCALINGS)
def test_more_rain_is_more_when_scaled(name: str) -> None:
    scaled = MADE[name].encode(torch.tensor([NO_ECHO, 0.1, 5.0, 29.0, 31.0, 59.0, 70.0]))
    assert (scaled.diff() > 0).all()


@pytest.mark.parametrize("name", SCALINGS)
def test_a_scaling_comes_back_from_json(name: str) -> None:
    text = json.dumps(scaling_to_json(MADE[name]))
    assert scaling_from_json(json.loads(text)) == MADE[name]


def test_no_echo_lies_beside_the_weakest_rain_when_clipped() -> None:
    scaling = Clip(5.0, 75.0, 30.0)
    scaled = scaling.encode(torch.tensor([NO_ECHO, 4.0, 5.3, 35.0, 99.0]))
    torch.testing.assert_close(scaled, torch.tensor([0.0, 0.0, 0.01, 1.0, 70 / 30]))
    found = scaling.decode(torch.tensor([-0.5, 0.0, 1.0, 9.0]))
    assert found.tolist() == [NO_ECHO, NO_ECHO, 35.0, 75.0]


def test_known_values_are_scaled_as_defined() -> None:
    values = torch.tensor([12.0, 19.5])
    assert Linear(30).encode(values).tolist() == pytest.approx([0.4, 0.65])
    assert ZScore(12, 7.5).encode(values).tolist() == pytest.approx([0, 1])
    assert MinMax(12, 27).encode(values).tolist() == pytest.approx([0, 0.5])
    assert Log(11.0).encode(values).tolist() == pytest.approx([math.log(2), math.log(9.5)])
    assert Quantile((12, 18, 21)).encode(values).tolist() == pytest.approx([0, 0.75])


def test_a_sample_gives_its_numbers_without_the_missing() -> None:
    sample = torch.tensor([1.0, 2.0, 3.0, 4.0, math.nan])
    assert MinMax.of(sample) == MinMax(1, 4)
    assert ZScore.of(sample).mean == 2.5
    assert ZScore.of(sample).deviation == pytest.approx(math.sqrt(5 / 3))
    assert Quantile.of(sample, 4).knots == pytest.approx((1, 2, 3, 4))


def test_a_quantile_scaling_of_a_sample_makes_it_even() -> None:
    sample = torch.randn(5000, generator=torch.Generator().manual_seed(0)).exp()
    scaled = Quantile.of(sample, 65).encode(sample).sort().values
    assert (scaled - torch.linspace(0, 1, 5000)).abs().max() < 0.016


def test_a_dry_sample_has_too_few_quantiles_and_says_so() -> None:
    with pytest.raises(ValueError, match="expected at least 2 rising knots"):
        Quantile.of(torch.full((9,), NO_ECHO))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Linear(0), "expected unit > 0, found 0"),
        (lambda: Clip(9, 3), "expected -32.0 <= low < high"),
        (lambda: ZScore(0, 0), "expected deviation > 0, found 0"),
        (lambda: MinMax(1, 1), "expected low < high, found 1, 1"),
        (lambda: scaling_from_json({"name": "sqrt"}), "no scaling 'sqrt'; the table holds"),
        (lambda: scaling_from_json({"name": "linear", "units": 3}), "'linear': .*'units'"),
    ],
)
def test_nonsense_is_refused(make: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()

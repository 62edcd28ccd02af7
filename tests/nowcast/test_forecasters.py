"""Contracts of every forecaster: those of the table, and untrained networks rolled out."""

import math
from collections.abc import Callable

import pytest
import torch
from moving_cells import rolled_out, storm

from nowcast.forecasters import FORECASTERS, Forecaster
from pipeline.batch import NO_ECHO

ALL: dict[str, Callable[[], Forecaster]] = {
    **FORECASTERS,
    "rollout, moving": lambda: rolled_out("moving"),
    "rollout, fixed": lambda: rolled_out("fixed"),
}
MOVING = ["extrapolation", "rollout, moving"]


@pytest.fixture(params=ALL)
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    return ALL[request.param]()


def test_a_forecaster_has_a_name(forecaster: Forecaster) -> None:
    assert forecaster.name


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 66), (64, 64)])
def test_a_forecast_has_the_shape_asked_for(forecaster: Forecaster, size: tuple[int, int]) -> None:
    past = torch.full((2, 3, *size), 22.0)
    forecast = forecaster.forecast(past, 5)
    assert forecast.shape == (2, 5, *size)
    assert forecast.dtype == torch.float32


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_any_number_of_frames_gives_any_number_of_steps(
    forecaster: Forecaster, count: int, steps: int
) -> None:
    forecast = forecaster.forecast(storm(1, 1, range(1 - count, 1)), steps)
    assert forecast.shape == (1, steps, 96, 128)
    assert not forecast.isinf().any()


def test_more_steps_begin_with_the_fewer(forecaster: Forecaster) -> None:
    past = storm(2, 1)
    few, many = forecaster.forecast(past, 3), forecaster.forecast(past, 8)
    torch.testing.assert_close(few, many[:, :3], equal_nan=True)


def test_dry_stays_dry(forecaster: Forecaster) -> None:
    forecast = forecaster.forecast(torch.full((1, 3, 40, 50), NO_ECHO), 4)
    assert (forecast == NO_ECHO).all()


def test_nothing_seen_is_nothing_forecast(forecaster: Forecaster) -> None:
    assert forecaster.forecast(torch.full((1, 3, 40, 50), math.nan), 4).isnan().all()


def test_dry_around_missing_stays_dry_and_missing(forecaster: Forecaster) -> None:
    past = torch.full((1, 3, 40, 50), NO_ECHO)
    past[..., 10:20, 10:20] = math.nan
    forecast = forecaster.forecast(past, 3)
    torch.testing.assert_close(forecast, past, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("missing", [0, 1])
def test_an_earlier_frame_may_be_missing(forecaster: Forecaster, missing: int) -> None:
    past = storm(2, 1)
    past[:, missing] = math.nan
    forecast = forecaster.forecast(past, 3)
    assert not forecast[..., 10:-10, 10:-10].isnan().any()


def test_rain_at_rest_without_gaps_is_known_everywhere(forecaster: Forecaster) -> None:
    assert not forecaster.forecast(storm(0, 0), 6).isnan().any()


def test_a_sample_does_not_depend_on_its_batch(forecaster: Forecaster) -> None:
    pair = torch.cat([storm(3, -1), storm(-2, 2)])
    alone = torch.cat([forecaster.forecast(pair[k, None], 4) for k in range(2)])
    torch.testing.assert_close(
        forecaster.forecast(pair, 4), alone, equal_nan=True, rtol=1e-4, atol=1e-3
    )


def test_the_past_is_left_as_it_is(forecaster: Forecaster) -> None:
    past = storm(3, -1)
    past[..., :9] = math.nan
    before = past.clone()
    with torch.inference_mode():
        forecaster.forecast(past, 2)[:] = 0
    torch.testing.assert_close(past, before, equal_nan=True, rtol=0, atol=0)


def test_a_double_precision_past_is_welcome(forecaster: Forecaster) -> None:
    assert forecaster.forecast(storm(1, 1).double(), 2).dtype == torch.float32


@pytest.mark.parametrize("steps", [0, -3])
def test_no_step_ahead_is_refused(forecaster: Forecaster, steps: int) -> None:
    with pytest.raises(ValueError, match=f"expected at least 1 step ahead, found {steps}"):
        forecaster.forecast(storm(1, 1), steps)


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 0, 40, 50)])
def test_a_past_without_frames_is_refused(forecaster: Forecaster, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected past frames \(B, T, H, W\), found shape"):
        forecaster.forecast(torch.zeros(shape), 2)


def test_an_infinity_is_refused(forecaster: Forecaster) -> None:
    past = storm(1, 1)
    past[0, 1, 3, 4] = math.inf
    with pytest.raises(ValueError, match="expected finite dBZ or NaN in the past"):
        forecaster.forecast(past, 2)


def test_persistence_is_the_latest_frame() -> None:
    past = storm(3, -1)
    past[..., 30:40] = math.nan
    forecast = FORECASTERS["persistence"]().forecast(past, 3)
    expected = past[:, -1:].expand(1, 3, -1, -1)
    torch.testing.assert_close(forecast, expected, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("velocity", [(2.0, 1.0), (-1.5, 0.5), (3.0, -2.0)])
def test_extrapolation_moves_the_rain_to_where_it_will_be(velocity: tuple[float, float]) -> None:
    forecast = FORECASTERS["extrapolation"]().forecast(storm(*velocity), 6)
    truth = storm(*velocity, ages=range(6, 7))[0, 0]
    known = ~forecast[0, -1].isnan()
    hits = ((forecast[0, -1] > 20) & (truth > 20))[known].sum()
    either = ((forecast[0, -1] > 20) | (truth > 20))[known].sum()
    assert hits > 0.9 * either


@pytest.mark.parametrize("name", MOVING)
def test_the_forecast_of_a_shifted_past_is_the_shifted_forecast(name: str) -> None:
    past = storm(2, -1)
    shifted = torch.full((1, 3, 128, 192), NO_ECHO)
    shifted[..., 32:, 32:160] = past
    padded = torch.full((1, 3, 128, 192), NO_ECHO)
    padded[..., :96, :128] = past
    here, there = (ALL[name]().forecast(frames, 6) for frames in (padded, shifted))
    one, other = here[..., 16:80, 16:112], there[..., 48:112, 48:144]
    assert ((one > NO_ECHO) == (other > NO_ECHO)).float().mean() > 0.995
    both = (one > NO_ECHO) & (other > NO_ECHO)
    assert (one - other)[both].abs().mean() < 0.2


@pytest.mark.parametrize("name", MOVING)
def test_air_from_outside_the_grid_is_unknown(name: str) -> None:
    forecast = ALL[name]().forecast(storm(3, 0), 4)
    unknown = forecast.isnan().float().mean((0, 2))
    for lead, columns in enumerate(unknown):
        assert columns[: 3 * lead + 1].min() == 1
        assert columns[3 * lead + 6 :].max() == 0


def test_a_moving_network_knows_as_much_as_extrapolation() -> None:
    past = storm(2, 1)
    past[..., 20:30, 20:40] = math.nan
    past[:, -1, 50:60, 50:60] = math.nan
    forecasts = [ALL[name]().forecast(past, 6).isnan() for name in MOVING]
    torch.testing.assert_close(*forecasts)


def test_a_sector_that_drops_out_is_forecast_from_the_frame_before() -> None:
    past = storm(2, 1)
    whole = FORECASTERS["extrapolation"]().forecast(past, 4)
    past[:, -1, 30:60, 40:70] = math.nan
    forecast = FORECASTERS["extrapolation"]().forecast(past, 4)
    torch.testing.assert_close(forecast.isnan(), whole.isnan())
    both = (forecast > 20) & (whole > 20)
    assert both.sum() > 0.9 * ((forecast > 20) | (whole > 20)).sum()


def test_a_forecast_leaves_no_graph_behind(forecaster: Forecaster) -> None:
    assert not forecaster.forecast(storm(1, 1), 2).requires_grad

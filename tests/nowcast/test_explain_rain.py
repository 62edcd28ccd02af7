from __future__ import annotations

import math

import pytest
import torch
from moving_cells import rolled_out, storm
from torch import Tensor, nn

from nowcast.explain import heaviest_pixel, rain_sensitivity
from nowcast.forecasters import Rollout
from nowcast.models import build_network
from nowcast.scaling import Linear
from nowcast.tasks import NowcastTask
from pipeline.batch import NO_ECHO


def still(name: str) -> Rollout:
    """An untrained network of the table that adds nothing to what moves."""
    task = NowcastTask(cadence_minutes=5)
    options = {"widths": (4, 8), "zero_output": True}
    return Rollout(build_network(name, task.inputs, task.outputs, options), task)


class Carry(nn.Module):
    """The latest of three frames, moved right by two pixels and down by one; one frame out."""

    def __init__(self) -> None:
        super().__init__()
        self.carry = nn.Conv2d(6, 1, 5, padding=2, bias=False)
        nn.init.zeros_(self.carry.weight)
        with torch.no_grad():
            self.carry.weight[0, 4, 1, 0] = 1

    def forward(self, frames: Tensor) -> Tensor:
        moved: Tensor = self.carry(frames)
        return moved


def test_a_network_that_carries_the_rain_hangs_on_the_pixel_it_came_from() -> None:
    task = NowcastTask(
        future=1, coordinates="fixed", residual=False, scaling=Linear(), cadence_minutes=10
    )
    past = torch.full((3, 40, 50), 20.0)
    found = rain_sensitivity(Rollout(Carry(), task), past, (30, 40), 60)
    assert found.forecast == pytest.approx(20)
    assert torch.nonzero(found.gradient).tolist() == [[2, 24, 28]]
    assert float(found.gradient[2, 24, 28]) == pytest.approx(1)
    assert found.source == (24, 28)
    assert found.by_frame.tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ["unet", "convlstm"])
@pytest.mark.parametrize(("u", "v"), [(2.0, 1.0), (-1.5, 0.5)])
def test_advected_rain_comes_from_upstream(name: str, u: float, v: float) -> None:
    past = storm(u, v)[0]
    rollout = still(name)
    steps = 6
    row, column = round(55 + steps * v), round(75 + steps * u)
    found = rain_sensitivity(rollout, past, (row, column), 30)
    assert found.forecast > 30
    assert math.dist(found.source, (row - steps * v, column - steps * u)) < 1.5
    assert float(found.gradient.sum()) == pytest.approx(1, abs=0.05)
    forecast = rollout.forecast(past[None], steps)[0, -1, row, column]
    assert found.forecast == pytest.approx(float(forecast), abs=1e-4)


@pytest.mark.parametrize("coordinates", ["fixed", "moving"])
def test_the_gradient_is_the_slope_of_the_forecast(coordinates: str) -> None:
    rollout = rolled_out(coordinates)
    past = storm(1.0, 0.0)[0]
    pixel = heaviest_pixel(rollout.forecast(past[None], 3)[0, -1], 3)
    found = rain_sensitivity(rollout, past, pixel, 15, cadence_minutes=5, radius=1)
    assert found.gradient.shape == past.shape
    assert (found.gradient[past == NO_ECHO] == 0).all()
    direction = found.gradient / found.gradient.norm()
    ends = [
        rain_sensitivity(rollout, past + sign * 0.05 * direction, pixel, 15, 5, radius=1).forecast
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / 0.1
    assert slope == pytest.approx(float(found.gradient.norm()), rel=0.1)


def test_missing_rain_has_no_say() -> None:
    past = storm(1.0, 0.0)[0]
    past[:, :, 100:] = math.nan
    found = rain_sensitivity(still("unet"), past, (55, 78), 15)
    assert found.gradient.isfinite().all()
    assert (found.gradient[:, :, 100:] == 0).all()


def test_a_dry_or_unknown_pixel_is_refused() -> None:
    past = storm(1.0, 0.0)[0]
    with pytest.raises(ValueError, match=r"rain forecast at \(5, 60\), but it stays dry there"):
        rain_sensitivity(still("unet"), past, (5, 60), 15)
    past[:, 80:] = math.nan
    with pytest.raises(ValueError, match="but nothing is known there; choose a pixel where rain"):
        rain_sensitivity(still("unet"), past, (90, 60), 15)
    with pytest.raises(ValueError, match=r"expected a pixel within 96 × 128, found \(96, 0\)"):
        rain_sensitivity(still("unet"), past, (96, 0), 15)


def test_a_lead_time_between_the_frames_is_refused() -> None:
    past = storm(1.0, 0.0)[0]
    with pytest.raises(ValueError, match="expected a lead time of a multiple of 5 min, found 12"):
        rain_sensitivity(still("unet"), past, (55, 75), 12)
    with pytest.raises(ValueError, match="the network knows no cadence; give cadence_minutes"):
        rain_sensitivity(rolled_out("fixed"), past, (55, 75))


def test_the_heaviest_pixel_is_amid_known_rain() -> None:
    forecast = torch.full((30, 40), NO_ECHO)
    forecast[10:15, 20:25] = 30
    forecast[25, 5] = 60
    assert heaviest_pixel(forecast, 2) == (12, 22)
    forecast[12, 25] = math.nan
    assert heaviest_pixel(forecast, 2) == (12, 22)
    forecast[12, 24] = math.nan
    row, column = heaviest_pixel(forecast, 2)
    assert forecast[row - 2 : row + 3, column - 2 : column + 3].isfinite().all()
    with pytest.raises(ValueError, match="expected rain in a known square of 17 × 17 pixels"):
        heaviest_pixel(torch.full((30, 40), NO_ECHO))

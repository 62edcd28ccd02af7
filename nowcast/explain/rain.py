"""Where the rain that a network forecasts comes from."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.explain.layers import evaluating
from nowcast.forecasters.rollout import Rollout
from nowcast.motion import advect, complete_latest, estimate_motion
from nowcast.tasks import NowcastTask, align
from pipeline.batch import NO_ECHO


@dataclass(frozen=True)
class RainSensitivity:
    """What a forecast of rain at one pixel hangs on.

    Args:
        gradient: (T, H, W) dBZ of the forecast for each dBZ of a past pixel; 0 where it was
            missing or without echo.
        forecast: Mean dBZ of the rain within the radius of the pixel.
        pixel: Row and column.
        lead_minutes: Of the forecast.
        radius: Pixels to each side of it that count as well.
    """

    gradient: Tensor
    forecast: float
    pixel: tuple[int, int]
    lead_minutes: float
    radius: int = 0

    @property
    def source(self) -> tuple[float, float]:
        """Row and column of the mean place in the past frames, weighed by the gradient's size."""
        weight = self.gradient.abs().sum(0)
        rows = torch.arange(weight.shape[0], device=weight.device)
        columns = torch.arange(weight.shape[1], device=weight.device)
        total = weight.sum()
        row, column = (weight.sum(1) * rows).sum(), (weight.sum(0) * columns).sum()
        return float(row / total), float(column / total)

    @property
    def by_frame(self) -> Tensor:
        """(T,) each past frame's share of the gradient's size."""
        sizes = self.gradient.abs().sum((1, 2))
        return sizes / sizes.sum()


def rain_sensitivity(
    rollout: Rollout,
    past: Tensor,
    pixel: tuple[int, int],
    lead_minutes: float = 60,
    cadence_minutes: float | None = None,
    radius: int = 0,
) -> RainSensitivity:
    """The gradient of a forecast pixel, or of the rain around it, for every past pixel.

    The motion of the rain is held as it was estimated, and the forecast's distribution is not
    matched: what is left is what the network does.

    Args:
        rollout: A trained network.
        past: (T, H, W) dBZ, NaN where missing, latest last.
        pixel: Row and column, where rain is forecast.
        lead_minutes: A multiple of the cadence.
        cadence_minutes: Minutes between frames; None: those the network was trained on.
        radius: Pixels to each side whose rain is averaged with it: evens out the gradient.

    Raises:
        ValueError: If the lead time is none of the frames', the pixel lies outside, no rain is
            forecast there, or it depends on no past rain.

    Source: Simonyan, Vedaldi and Zisserman, 2014, ICLR workshop, arXiv:1312.6034.
    """
    row, column = pixel
    height, width = past.shape[-2:]
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"rain sensitivity: expected a pixel within {height} × {width}, found {pixel}"
        )
    steps = _steps(rollout, lead_minutes, cadence_minutes)
    device = next(rollout.network.parameters()).device
    with evaluating(rollout.network):
        frames = past[None].detach().float().to(device).clone().requires_grad_()
        value = _rain_about(_forecast(rollout, frames, steps)[0, -1], pixel, radius)
        (gradient,) = torch.autograd.grad(value, frames)
    if not gradient.any():
        raise ValueError(
            f"rain sensitivity: the rain at {pixel} after {lead_minutes:g} min depends on no past "
            "rain; choose another pixel"
        )
    dbz, slopes = float(value.detach()), gradient[0].to(past.device)
    return RainSensitivity(slopes, dbz, pixel, lead_minutes, radius)


def heaviest_pixel(forecast: Tensor, radius: int = 8) -> tuple[int, int]:
    """The middle of the square with the heaviest rain on average, in dBZ, none of it missing.

    Args:
        forecast: (H, W) dBZ.
        radius: Pixels to each side of the middle.

    Raises:
        ValueError: If no square is wholly known, or none has rain.
    """
    side = 2 * radius + 1
    if min(forecast.shape) >= side:
        means = F.avg_pool2d(forecast[None, None].float(), side, 1)[0, 0].nan_to_num(-math.inf)
        if means.max() > NO_ECHO:
            row, column = divmod(int(means.argmax()), means.shape[1])
            return row + radius, column + radius
    raise ValueError(
        f"heaviest pixel: expected rain in a known square of {side} × {side} pixels of "
        f"{forecast.shape[0]} × {forecast.shape[1]}, found none"
    )


def _rain_about(forecast: Tensor, pixel: tuple[int, int], radius: int) -> Tensor:
    row, column = pixel
    if not forecast[row, column] > NO_ECHO:
        state = "nothing is known" if forecast[row, column].isnan() else "it stays dry"
        raise ValueError(
            f"rain sensitivity: expected rain forecast at {pixel}, but {state} there; choose a "
            "pixel where rain is forecast"
        )
    rows, columns = (slice(max(at - radius, 0), at + radius + 1) for at in pixel)
    around = forecast[rows, columns]
    return around[around > NO_ECHO].mean()


def _steps(rollout: Rollout, lead_minutes: float, cadence_minutes: float | None) -> int:
    cadence = cadence_minutes or rollout.task.cadence_minutes
    if cadence is None:
        raise ValueError("rain sensitivity: the network knows no cadence; give cadence_minutes")
    steps = round(lead_minutes / cadence)
    if steps < 1 or not math.isclose(steps * cadence, lead_minutes):
        raise ValueError(
            f"rain sensitivity: expected a lead time of a multiple of {cadence:g} min, found "
            f"{lead_minutes:g}"
        )
    return steps


def _forecast(rollout: Rollout, past: Tensor, steps: int) -> Tensor:
    """`Rollout.forecast` with its gradient."""
    if rollout.task.coordinates == "fixed":
        return _recurse(rollout, past, steps)
    motion = estimate_motion(past.detach())
    latest = complete_latest(past, motion)
    still = torch.cat([align(past, motion)[:, :-1], latest], 1)
    return advect(_recurse(rollout, still, steps)[:, -1:], motion, [float(steps)])


def _recurse(rollout: Rollout, past: Tensor, steps: int) -> Tensor:
    step = inspect.unwrap(NowcastTask.step)  # without its no_grad
    frames, count = past, past.shape[1]
    while frames.shape[1] < count + steps:
        frames = torch.cat([frames, step(rollout.task, rollout.network, frames)], 1)
    return frames[:, count : count + steps]

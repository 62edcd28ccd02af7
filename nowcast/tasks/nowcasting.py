"""The task of forecasting reflectivity."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.losses import find_loss, heavy_rain_weight, masked_mean, masked_sum
from nowcast.motion import advect, estimate_motion
from nowcast.scaling import Clip, Scaling
from nowcast.tasks.task import Example
from pipeline.batch import NO_ECHO, Batch


@dataclass(frozen=True)
class NowcastTask:
    """Forecast the next frames of reflectivity from the past ones and their masks.

    Args:
        past: Frames in.
        future: Frames out.
        scaling: dBZ to what the network sees, no echo included.
        error: The error by pixel, of scaled values: a name in LOSSES.
        emphasis: Weight of heavy rain, see `heavy_rain_weight`; 0 weighs all rain alike.
        coordinates: "moving" carries past and future frames along the rain's motion onto the
            latest one, so that growth and decay alone are left to learn; "fixed" leaves them.
        residual: Whether the network's output is added to the latest frame.
        cadence_minutes: Step between frames; None until it is trained on some.
    """

    past: int = 3
    future: int = 2
    scaling: Scaling = field(default_factory=Clip)
    error: str = "mae"
    emphasis: float = 3.0
    coordinates: Literal["fixed", "moving"] = "moving"
    residual: bool = True
    cadence_minutes: float | None = None

    def __post_init__(self) -> None:
        find_loss(self.error)
        if self.past < 1 or self.future < 1 or self.coordinates not in ("fixed", "moving"):
            raise ValueError(
                "nowcast task: expected past and future of at least 1 and coordinates 'fixed' or "
                f"'moving', found {self.past}, {self.future} and {self.coordinates!r}"
            )

    @property
    def inputs(self) -> int:
        """Channels in: each past frame and its mask."""
        return 2 * self.past

    @property
    def outputs(self) -> int:
        """Channels out: the future frames."""
        return self.future

    @torch.no_grad()
    def pose(self, batch: Batch) -> Example:
        """Inputs (B, 2·past, H, W), frame after frame with its mask; target (B, future, H, W).

        Raises:
            ValueError: If the batch does not hold past + future frames.
        """
        if batch.frames.shape[1] != self.past + self.future:
            raise ValueError(
                f"nowcast task: expected {self.past} + {self.future} frames a sample, "
                f"found {batch.frames.shape[1]}; build the tensor set with that window"
            )
        past, future = batch.frames.tensor_split([self.past], dim=1)
        if self.coordinates == "moving":
            motion = estimate_motion(past)
            future = advect(future, motion, [-1.0 - lead for lead in range(self.future)])
            past = align(past, motion)
        inputs, latest = self._inputs_of(past)
        target = self.scaling.encode(future)
        target = target - latest if self.residual else target
        return Example(inputs, target, heavy_rain_weight(future, self.emphasis))

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """The weighted mean error, 0 where nothing is known."""
        return masked_mean(find_loss(self.error), output, example.target, example.weight)

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """Sums of loss and weight, and the loss of persistence in the same coordinates."""
        error = find_loss(self.error)
        _, target, weight = example
        latest = torch.zeros_like(target) if self.residual else example.inputs[:, -2:-1]
        return {
            "loss": masked_sum(error, output, target, weight),
            "persistence_loss": masked_sum(error, latest.expand_as(target), target, weight),
            "weight": weight.sum(),
        }

    @torch.no_grad()
    def step(self, network: nn.Module, past: Tensor) -> Tensor:
        """The network applied once: (B, T, H, W) dBZ -> (B, future, H, W) dBZ.

        The frames are taken as they lie: with moving coordinates, past and result are both in
        the latest frame's place. Of more frames than the task's past the latest count; of fewer,
        the oldest stands in for those before it. A sample without any echo stays dry.

        Missing: where the latest frame is.
        """
        lacking = max(self.past - past.shape[1], 0)
        past = torch.cat([past[:, :1].expand(-1, lacking, -1, -1), past], 1)[:, -self.past :]
        inputs, latest = self._inputs_of(past)
        output = network(inputs).float()
        dbz = self.scaling.decode(output + latest if self.residual else output)
        raining = (past > NO_ECHO).flatten(1).any(1)[:, None, None, None]
        dbz = torch.where(raining & (dbz > NO_ECHO), dbz, NO_ECHO)
        return torch.where(past[:, -1:].isnan(), math.nan, dbz)

    def _inputs_of(self, past: Tensor) -> tuple[Tensor, Tensor]:
        known = ~past.isnan()
        scaled = self.scaling.encode(torch.where(known, past, NO_ECHO))
        inputs = torch.stack([scaled, known.to(scaled.dtype)], dim=2).flatten(1, 2)
        return inputs, scaled[:, -1:]


def align(past: Tensor, motion: Tensor) -> Tensor:
    """Past frames (B, T, H, W) dBZ carried along the motion onto the latest one, left as it is."""
    ages = [float(age) for age in range(past.shape[1] - 1, 0, -1)]
    if not ages:
        return past
    return torch.cat([advect(past[:, :-1], motion, ages), past[:, -1:]], dim=1)

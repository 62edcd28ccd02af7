"""The rain moves on as it moved, without growth or decay."""

from __future__ import annotations

import torch
from torch import Tensor

from nowcast.forecasters.forecaster import check_request
from nowcast.motion import advect, complete_latest, estimate_motion


class Extrapolation:
    """The latest frame carried along the motion of the past frames.

    Missing: where the air comes from outside the grid or from out of the radar's sight.
    """

    name = "extrapolation"

    @torch.inference_mode()
    def forecast(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, H, W) dBZ → (B, steps, H, W) dBZ."""
        check_request(past, steps)
        motion = estimate_motion(past)
        return advect(complete_latest(past, motion), motion, range(1, steps + 1))

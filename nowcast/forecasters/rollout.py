"""A network of few steps, carried to any lead time by feeding its frames back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nowcast.forecasters.forecaster import check_request
from nowcast.forecasters.matching import match_distribution
from nowcast.motion import advect, complete_latest, estimate_motion
from nowcast.tasks import NowcastTask, align


class Rollout:
    """A trained network as a forecaster.

    With moving coordinates the motion is estimated once, the network works in the place of the
    latest frame, and each lead time is carried to its own place by one interpolation.

    Args:
        network: Put into evaluation mode; forecasts are computed where its weights are.
        task: What it was trained for.
        name: How scores and files call it.
        fingerprint: Of the checkpoint that it comes from.
        match: Whether every forecast gets the latest frame's distribution of reflectivity, which
            the blur of a trained network takes from it.

    Missing: where the latest frame is; with moving coordinates where the extrapolation is.
    """

    def __init__(
        self,
        network: nn.Module,
        task: NowcastTask,
        name: str = "rollout",
        fingerprint: str = "",
        *,
        match: bool = False,
    ) -> None:
        self.network = network.eval()
        self.task = task
        self.name = name
        self.fingerprint = fingerprint
        self.match = match

    @torch.inference_mode()
    def forecast(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, H, W) dBZ → (B, steps, H, W) dBZ, on the device of the past."""
        check_request(past, steps)
        frames = past.float().to(next(self.network.parameters()).device)
        if self.task.coordinates == "fixed":
            return self._recurse(frames, steps).to(past.device)
        motion = estimate_motion(frames)
        latest = complete_latest(frames, motion)
        still = torch.cat([align(frames, motion)[:, :-1], latest], 1)
        future = self._recurse(still, steps)
        return advect(future, motion, range(1, steps + 1)).to(past.device)

    def _recurse(self, past: Tensor, steps: int) -> Tensor:
        count, frames = past.shape[1], past
        while frames.shape[1] < count + steps:
            frames = torch.cat([frames, self.task.step(self.network, frames)], 1)
        future = frames[:, count : count + steps]
        return match_distribution(future, past[:, -1:]) if self.match else future

"""What is there stays there: the forecast that every other has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from nowcast.forecasters.forecaster import check_request


class Persistence:
    """The latest frame at every lead time, missing where it is missing."""

    name = "persistence"

    @torch.inference_mode()
    def forecast(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, H, W) dBZ → (B, steps, H, W) dBZ."""
        check_request(past, steps)
        return past[:, -1:].float().repeat(1, steps, 1, 1)

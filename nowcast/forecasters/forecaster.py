"""The protocol of whatever looks ahead."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Forecaster(Protocol):
    """Forecasts reflectivity from the frames before it.

    Missing: a pixel of the forecast is NaN only where nothing can be known of it.
    """

    @property
    def name(self) -> str:
        """How scores and files call it."""

    def forecast(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, H, W) dBZ, latest frame last → (B, steps, H, W) dBZ, one frame a time step.

        Raises:
            ValueError: If the past holds no frame or an infinity, or steps is below 1.
        """


def check_request(past: Tensor, steps: int) -> None:
    """Refuse what no forecaster can answer.

    Raises:
        ValueError: If the past holds no frame or an infinity, or steps is below 1.
    """
    if steps < 1:
        raise ValueError(f"forecast: expected at least 1 step ahead, found {steps}")
    if past.ndim != 4 or 0 in past.shape:
        raise ValueError(
            f"forecast: expected past frames (B, T, H, W), found shape {tuple(past.shape)}"
        )
    if past.isinf().any():
        raise ValueError("forecast: expected finite dBZ or NaN in the past, found an infinity")

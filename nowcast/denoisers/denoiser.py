"""What takes noise out of images."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Denoiser(Protocol):
    """Whatever restores images.

    Missing: a pixel that is missing (NaN) stays so, and does not spoil the others.
    """

    @property
    def words(self) -> str:
        """What it is, with its parameters, for people."""

    def denoise(self, noisy: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W) float32, in the units of the noisy ones: 0 … 255."""

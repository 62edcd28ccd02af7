"""Images to images; they are (B, channels, H, W)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nowcast.losses import find_loss, masked_mean, masked_sum
from nowcast.scaling import MinMax, Scaling
from nowcast.tasks.task import Example
from pipeline.batch import Batch


@dataclass(frozen=True)
class DenoiseTask:
    """Answer with the clean images of noisy ones; images without clean ones are their own target.

    Args:
        channels: Channels of an image.
        scaling: Pixel values to what the network sees.
        error: The error by pixel: a name in LOSSES.
    """

    channels: int = 1
    scaling: Scaling = field(default_factory=MinMax)
    error: str = "mse"

    def __post_init__(self) -> None:
        find_loss(self.error)

    @property
    def inputs(self) -> int:
        """Channels in."""
        return self.channels

    @property
    def outputs(self) -> int:
        """Channels out."""
        return self.channels

    def pose(self, batch: Batch) -> Example:
        """The images, missing pixels 0, the clean ones, and 1 where those are known."""
        inputs = self.scaling.encode(batch.frames)
        clean = inputs if batch.label is None else self.scaling.encode(batch.label)
        known = ~clean.isnan()
        return Example(torch.where(inputs.isnan(), 0, inputs), clean, known.to(clean.dtype))

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """The mean error of the known pixels."""
        return masked_mean(find_loss(self.error), output, example.target, example.weight)

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """Sums of loss and weight, and the loss of leaving the noise in."""
        error = find_loss(self.error)
        inputs, target, weight = example
        return {
            "loss": masked_sum(error, output, target, weight),
            "persistence_loss": masked_sum(error, inputs, target, weight),
            "weight": weight.sum(),
        }

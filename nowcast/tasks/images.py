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
    """Remove Gaussian noise from images that are clean; the noise depends on the images alone.

    Args:
        deviation: Of the noise, in scaled units.
        channels: Channels of an image.
        scaling: Pixel values to what the network sees.
        error: The error by pixel: a name in LOSSES.
    """

    deviation: float = 0.2
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
        """The images with noise, missing pixels 0, the clean ones, and 1 where they are known."""
        clean = self.scaling.encode(batch.frames)
        known = ~clean.isnan()
        filled = torch.where(known, clean, 0)
        noise = self.deviation * torch.stack([_noise_of(image) for image in filled])
        return Example(torch.where(known, filled + noise, 0), clean, known.to(clean.dtype))

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


def _noise_of(image: Tensor) -> Tensor:
    """Normal noise that depends on this image alone, whatever else is in the batch."""
    bits = image.float().contiguous().view(torch.int32)
    generator = torch.Generator(image.device).manual_seed(int(bits.sum(dtype=torch.int64).item()))
    return torch.empty_like(image).normal_(generator=generator)

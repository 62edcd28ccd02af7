"""The classic image benchmarks; images are (B, channels, H, W)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nowcast.losses import find_loss, masked_mean, masked_sum
from nowcast.scaling import MinMax, Scaling
from nowcast.tasks.task import Example
from pipeline.batch import Batch

UNLABELLED = -1


@dataclass(frozen=True)
class ClassifyTask:
    """Name the class of each image; a label of UNLABELLED does not count.

    Args:
        classes: How many there are.
        channels: Channels of an image.
        scaling: Pixel values to what the network sees.
    """

    classes: int = 10
    channels: int = 1
    scaling: Scaling = field(default_factory=MinMax)

    @property
    def inputs(self) -> int:
        """Channels in."""
        return self.channels

    @property
    def outputs(self) -> int:
        """One logit a class."""
        return self.classes

    def pose(self, batch: Batch) -> Example:
        """The images, missing pixels 0, their labels and which of them there are.

        Raises:
            ValueError: If the batch has no labels.
        """
        if batch.label is None:
            raise ValueError(
                f"{type(self).__name__}: expected labels beside the images, found none"
            )
        images = self.scaling.encode(batch.frames)
        weight = (batch.label != UNLABELLED).to(images.dtype)
        return Example(torch.where(images.isnan(), 0, images), batch.label.long(), weight)

    def loss(self, output: Tensor, example: Example) -> Tensor:
        """Mean cross entropy of the labels."""
        return masked_mean(find_loss("cross_entropy"), output, example.target, example.weight)

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """Sums of loss and weight, and the count of right classes."""
        _, target, weight = example
        return {
            "loss": masked_sum(find_loss("cross_entropy"), output, target, weight),
            "weight": weight.sum(),
            "correct": ((output.argmax(1) == target) & (weight > 0)).sum(),
        }


@dataclass(frozen=True)
class SegmentTask(ClassifyTask):
    """Name the class of each pixel, background 0; a label of UNLABELLED does not count."""

    classes: int = 2

    @torch.no_grad()
    def scores(self, output: Tensor, example: Example) -> dict[str, Tensor]:
        """As for images, and the counts of foreground found and true, in both and in either."""
        found, true, known = output.argmax(1) > 0, example.target > 0, example.weight > 0
        return {
            **super().scores(output, example),
            "intersection": (found & true & known).sum(),
            "union": ((found | true) & known).sum(),
        }


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

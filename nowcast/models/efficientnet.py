"""EfficientNet: depth, width and resolution grown together."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.layers import make_he_normal


class Stage(NamedTuple):
    """Blocks of one shape; the first halves the grid if stride is 2."""

    expansion: int
    kernel: int
    stride: int
    outputs: int
    blocks: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


class EfficientNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W.

    B0 as it stands: 5,288,548 weights for colour images and 1000 classes; the names of the weights
    are torchvision's. First weights: convolutions He's normal by fan-out, norms 1 and 0, the
    dense layer's uniform between ±1/√outputs, biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        width: Factor on the channels; 1.0, 1.0, 1.1, 1.2 in B0 to B3.
        depth: Factor on the blocks of a stage; 1.0, 1.1, 1.2, 1.4 in B0 to B3.
        dropout: Share of the features that a training step hides from the dense layer.
        stochastic_depth: Probability that a training step leaves out the last block for an image;
            it rises linearly from 0 at the first block.

    Source: Tan and Le, 2019, International Conference on Machine Learning, PMLR 97, 6105-6114.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.2,
        stochastic_depth: float = 0.2,
    ) -> None:
        super().__init__()
        channels = scaled(32, width)
        layers: list[nn.Module] = [conv_norm(inputs, channels, 3, stride=2)]
        counts = [math.ceil(stage.blocks * depth) for stage in STAGES]
        place = 0
        for stage, count in zip(STAGES, counts, strict=True):
            blocks = []
            for first in (True, *[False] * (count - 1)):
                shape = stage._replace(
                    stride=stage.stride if first else 1, outputs=scaled(stage.outputs, width)
                )
                left_out = stochastic_depth * place / sum(counts)
                blocks.append(InvertedBottleneck(channels, shape, left_out))
                channels, place = shape.outputs, place + 1
            layers.append(nn.Sequential(*blocks))
        layers.append(conv_norm(channels, 4 * channels, 1))
        self.features = nn.Sequential(*layers)
        dense = nn.Linear(4 * channels, outputs)
        self.classifier = nn.Sequential(nn.Dropout(dropout), dense)
        self.head = "classifier.1"
        make_he_normal(self.features.modules(), mode="fan_out")
        nn.init.uniform_(dense.weight, -1 / math.sqrt(outputs), 1 / math.sqrt(outputs))
        nn.init.zeros_(dense.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        classes: Tensor = self.classifier(self.features(frames).mean(dim=(-2, -1)))
        return classes


class InvertedBottleneck(nn.Module):
    """Widen, convolve each channel alone, weigh the channels, narrow again; beside a shortcut.

    Source: Sandler et al., 2018, IEEE Conference on Computer Vision and Pattern Recognition,
        4510-4520.
    """

    def __init__(self, inputs: int, shape: Stage, left_out: float) -> None:
        super().__init__()
        wide = inputs * shape.expansion
        layers: list[nn.Module] = []
        if shape.expansion > 1:
            layers.append(conv_norm(inputs, wide, 1))
        layers += [
            conv_norm(wide, wide, shape.kernel, stride=shape.stride, groups=wide),
            SqueezeExcitation(wide, max(1, inputs // 4)),
            conv_norm(wide, shape.outputs, 1, activation=False),
        ]
        self.block = nn.Sequential(*layers)
        self.shortcut = shape.stride == 1 and inputs == shape.outputs
        self.left_out = left_out

    def forward(self, frames: Tensor) -> Tensor:
        """The features."""
        features: Tensor = self.block(frames)
        if not self.shortcut:
            return features
        if self.training and self.left_out:
            kept = torch.empty(len(frames), 1, 1, 1, dtype=frames.dtype, device=frames.device)
            features = features * (kept.bernoulli_(1 - self.left_out) / (1 - self.left_out))
        return features + frames


class SqueezeExcitation(nn.Module):
    """Each channel times a factor of 0 to 1 that all channels' means decide.

    Source: Hu, Shen and Sun, 2018, IEEE Conference on Computer Vision and Pattern Recognition,
        7132-7141.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """The weighed channels."""
        means = frames.mean(dim=(-2, -1), keepdim=True)
        return frames * torch.sigmoid(self.fc2(F.silu(self.fc1(means))))


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """A padded convolution, batch norm and, unless refused, SiLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.SiLU()) if activation else nn.Sequential(*layers)


def scaled(channels: int, width: float) -> int:
    """The nearest multiple of 8 to the channels times a factor, never a tenth below it."""
    wanted = channels * width
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * wanted else nearest + 8

"""Fully convolutional networks: a classifier of images that answers at every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import Norm, pad_to_multiple
from nowcast.models.layers import WholePool, make_normal
from nowcast.models.vgg import PUBLISHED, VGG

STRIDES = (8, 16, 32)
COARSEST = 32


class FCN(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W.

    VGG with its dense layers applied as convolutions at every 32nd pixel; with stride 16 the
    scores of the fourth stage are added, with stride 8 those of the third too, before transposed
    convolutions bring them back to every pixel. Depth 16 has 134,489,759 weights for colour images
    and 21 classes at stride 8. The names of VGG's weights are torchvision's, but for its last
    layer's.
    First weights: VGG's; scores of the last stage normal with deviation 0.01, of the others 0;
    transposed convolutions interpolate bilinearly.

    Args:
        inputs: Channels in.
        outputs: Numbers out by pixel, e.g. one logit a class.
        stride: Pixels between the finest scores: 8, 16 or 32.
        depth: Layers with weights of VGG: 11, 13, 16 or 19.
        norm: Normalisation behind every 3 × 3 convolution.
        widths: Channels of the five stages.
        pool: Side of the window of the first dense layer, odd.
        hidden: Units of each dense layer.
        dropout: Share of those units that a training step leaves out.

    Raises:
        ValueError: If there is no such stride or depth, or the pool is not odd.

    Source: Long, Shelhamer and Darrell, 2015, IEEE Conference on Computer Vision and Pattern
        Recognition, 3431-3440.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 8,
        depth: int = 16,
        norm: Norm = "none",
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        pool: int = 7,
        hidden: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if stride not in STRIDES or pool % 2 == 0:
            raise ValueError(
                f"FCN: expected a stride among {list(STRIDES)} and an odd pool, found {stride} "
                f"and {pool}"
            )
        vgg = VGG(
            inputs,
            outputs,
            depth=depth,
            norm=norm,
            widths=widths,
            pool=pool,
            hidden=hidden,
            dropout=dropout,
        )
        self.multiple = COARSEST
        self.features = vgg.features
        skips = [widths[stage] for stage in (3, 2)][: int(math.log2(COARSEST // stride))]
        features = hidden[-1] if hidden else widths[-1] * pool**2
        scores = Scores(features, skips, outputs)
        self.classifier = nn.Sequential(*list(vgg.classifier)[:-1], scores)
        published = (pool, *hidden) == PUBLISHED
        self.head = f"classifier.{len(self.classifier) - 1}" if published else "classifier"

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of every pixel."""
        height, width = frames.shape[-2:]
        features, pooled = pad_to_multiple(frames, COARSEST), []
        for layer in self.features:
            features = layer(features)
            if isinstance(layer, WholePool):
                pooled.append(features)
        for layer in list(self.classifier)[:-1]:
            features = (
                at_every_pixel(layer, features) if isinstance(layer, nn.Linear) else layer(features)
            )
        scores: Tensor = self.classifier[-1](features, [pooled[3], pooled[2]])
        return scores[..., :height, :width]


class Scores(nn.Module):
    """Scores of the coarsest grid, with those of finer ones, brought to every pixel."""

    def __init__(self, features: int, skips: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.coarsest = nn.Linear(features, outputs)
        make_normal(self.coarsest, 0.01)
        self.skips = nn.ModuleList(nn.Conv2d(width, outputs, 1) for width in skips)
        for weight in self.skips.parameters():
            nn.init.zeros_(weight)
        self.rise = nn.ModuleList(bilinear_rise(outputs, 2) for _ in skips)
        self.last = bilinear_rise(outputs, COARSEST // 2 ** len(skips))

    def forward(self, features: Tensor, finer: Sequence[Tensor]) -> Tensor:
        """(B, features, h, w) and the stages before -> (B, outputs, 32 h, 32 w)."""
        scores = at_every_pixel(self.coarsest, features)
        for skip, rise, stage in zip(self.skips, self.rise, finer, strict=False):
            scores = rise(scores) + skip(stage)
        every: Tensor = self.last(scores)
        return every


def at_every_pixel(dense: nn.Linear, features: Tensor) -> Tensor:
    """A dense layer of the window around every pixel, with 0 beyond the edges.

    The window is the square whose pixels, of all channels, are as many as the layer's inputs.
    """
    channels = features.shape[1]
    side = math.isqrt(dense.in_features // channels)
    kernel = dense.weight.view(dense.out_features, channels, side, side)
    return F.conv2d(features, kernel, dense.bias, padding=side // 2)


def bilinear_rise(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution to a grid `factor` times finer that begins as an interpolation."""
    rise = nn.ConvTranspose2d(
        channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False
    )
    place = torch.arange(2 * factor, dtype=torch.float32)
    line = 1 - (place - (factor - 0.5)).abs() / factor
    with torch.no_grad():
        rise.weight.zero_()
        for channel in range(channels):
            rise.weight[channel, channel] = line[:, None] * line
    return rise

"""U-Net: an encoder and a decoder with skip connections at every level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import (
    ConvBlock,
    Norm,
    output_conv,
    pad_to_multiple,
    relu_conv,
)

Upsampling = Literal["bilinear", "transposed"]


class UNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        widths: Channels of each level, from full to coarsest resolution.
        norm: Normalisation behind every convolution of a level.
        upsampling: How the decoder returns to the finer level.
        shuffle: Pixels per side folded into channels before the first level and unfolded after
            the last: 2 works at half resolution without losing any of it.
        zero_output: Whether the untrained network answers 0 everywhere.

    Source: Ronneberger, Fischer and Brox, 2015, MICCAI, LNCS 9351, 234-241.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        widths: Sequence[int] = (32, 64, 128, 256),
        norm: Norm = "batch",
        upsampling: Upsampling = "bilinear",
        shuffle: int = 1,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        self.shuffle = shuffle
        self.multiple = shuffle * 2 ** (len(widths) - 1)
        entries = (inputs * shuffle**2, *widths)
        self.down = nn.ModuleList(ConvBlock(a, b, norm) for a, b in pairwise(entries))
        upward = list(pairwise(reversed(widths)))
        self.rise = nn.ModuleList(make_rise(upsampling, a, b) for a, b in upward)
        self.up = nn.ModuleList(ConvBlock(2 * b, b, norm) for _, b in upward)
        self.head = output_conv(widths[0], outputs * shuffle**2, zero=zero_output)

    def forward(self, frames: Tensor) -> Tensor:
        """Channels out on the same grid."""
        height, width = frames.shape[-2:]
        features = F.pixel_unshuffle(pad_to_multiple(frames, self.multiple), self.shuffle)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            features = block(F.max_pool2d(features, 2) if level else features)
            skips.append(features)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            features = block(torch.cat([skips.pop(), rise(features)], dim=1))
        return F.pixel_shuffle(self.head(features), self.shuffle)[..., :height, :width]


def make_rise(upsampling: Upsampling, inputs: int, outputs: int) -> nn.Module:
    """From one level to the next finer: (B, inputs, H, W) -> (B, outputs, 2H, 2W).

    Raises:
        ValueError: If there is no such upsampling.
    """
    if upsampling == "bilinear":
        larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        return nn.Sequential(larger, relu_conv(inputs, outputs))
    if upsampling == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
    raise ValueError(f"no upsampling {upsampling!r}; there are ['bilinear', 'transposed']")

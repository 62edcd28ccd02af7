"""U-Net: an encoder and a decoder with skip connections at every level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import (
    ConvBlock,
    Norm,
    crop_centre,
    output_conv,
    pad_to_multiple,
)
from nowcast.models.upsampling import Upsampling, make_rise


class UNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W.

    Without padding `margin` pixels are lost on each side, and H and W are those that halve evenly
    at every level: the published network, of widths (64, 128, 256, 512, 1024), no norm and
    transposed upsampling, has 31,030,658 weights for one channel and two classes, and answers
    388 × 388 pixels of 572 × 572.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        widths: Channels of each level, from full to coarsest resolution.
        norm: Normalisation behind every convolution of a level.
        upsampling: How the decoder returns to the finer level.
        shuffle: Pixels per side folded into channels before the first level and unfolded after
            the last: 2 works at half resolution without losing any of it.
        zero_output: Whether the untrained network answers 0 everywhere.
        padding: Whether the 3 × 3 convolutions keep the grid; without, skips are cropped to the
            decoder's grid.
        dropout: Share of the features at the end of the contracting path, its two coarsest
            levels, that a training step leaves out.
        residual: Whether the answer is added to the frames: the network learns what to change.

    Raises:
        ValueError: If upsampling is unknown, or not transposed where there is no padding, if a
            residual answer has other channels than the frames, or H or W do not fit.

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
        padding: bool = True,
        dropout: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if residual and inputs != outputs:
            raise ValueError(
                f"UNet: expected as many channels out as in for a residual answer, found {inputs} "
                f"in and {outputs} out"
            )
        if not padding and upsampling != "transposed":
            raise ValueError(
                f"UNet: expected upsampling 'transposed' without padding, found {upsampling!r}"
            )
        self.shuffle, self.padding, self.residual = shuffle, padding, residual
        self.multiple: int = shuffle * 2 ** (len(widths) - 1)
        entries = (inputs * shuffle**2, *widths)
        self.margin = 0 if padding else 6 * self.multiple - 4 * shuffle
        self.drop = nn.Dropout(dropout)
        self.down = nn.ModuleList(
            ConvBlock(a, b, norm, padding=padding) for a, b in pairwise(entries)
        )
        upward = list(pairwise(reversed(widths)))
        self.rise = nn.ModuleList(make_rise(upsampling, a, b) for a, b in upward)
        for rise in self.rise:
            if isinstance(rise, nn.ConvTranspose2d) and rise.bias is not None:
                nn.init.normal_(rise.weight, std=math.sqrt(2 / rise.in_channels))
                nn.init.zeros_(rise.bias)
        self.up = nn.ModuleList(ConvBlock(2 * b, b, norm, padding=padding) for _, b in upward)
        self.head = output_conv(widths[0], outputs * shuffle**2, zero=zero_output)

    def forward(self, frames: Tensor) -> Tensor:
        """Channels out on the same grid, or without padding on its inner part."""
        height, width = frames.shape[-2:]
        if self.padding:
            frames = pad_to_multiple(frames, self.multiple)
        else:
            self._refuse(height, width)
        features = F.pixel_unshuffle(frames, self.shuffle)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            features = block(F.max_pool2d(features, 2) if level else features)
            if level >= len(self.down) - 2:
                features = self.drop(features)
            skips.append(features)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            finer = rise(features)
            features = block(torch.cat([crop_centre(skips.pop(), finer), finer], dim=1))
        answer = F.pixel_shuffle(self.head(features), self.shuffle)[..., :height, :width]
        if self.residual:
            answer = answer + crop_centre(frames[..., :height, :width], answer)
        return answer

    def input_side(self, least: int) -> int:
        """The shortest side that the network takes and answers at least so many pixels of."""
        if self.padding:
            return least
        offset = 4 * self.shuffle
        whole = max(least, 1) + 2 * self.margin + offset
        return -(-whole // self.multiple) * self.multiple - offset

    def _refuse(self, height: int, width: int) -> None:
        fitting = [self.input_side(side - 2 * self.margin) for side in (height, width)]
        if fitting != [height, width]:
            raise ValueError(
                "UNet without padding: expected sides that halve evenly at every level, found "
                f"{height} × {width}; take {fitting[0]} × {fitting[1]}"
            )

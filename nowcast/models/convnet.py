"""A plain convolutional classifier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import ConvBlock, Norm


class ConvNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        widths: Channels of each level; every level after the first halves the grid.
        norm: Normalisation behind every convolution.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        widths: Sequence[int] = (32, 64, 128),
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(ConvBlock(a, b, norm) for a, b in pairwise((inputs, *widths)))
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        features = frames
        for level, block in enumerate(self.levels):
            features = block(F.max_pool2d(features, 2, ceil_mode=True) if level else features)
        classes: Tensor = self.head(features.mean(dim=(-2, -1)))
        return classes

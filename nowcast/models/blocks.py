"""Parts that several networks share."""

from __future__ import annotations

import math
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["batch", "group", "layer", "none"]
NORMS: tuple[Norm, ...] = ("batch", "group", "layer", "none")


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """A normalisation of (B, channels, H, W).

    "group" takes up to eight groups, none of a single channel; "layer" is one group.

    Raises:
        ValueError: If there is no such norm.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(math.gcd(8, max(channels // 2, 1)), channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"no norm {norm!r}; there are {list(NORMS)}")


class ConvBlock(nn.Sequential):
    """Twice convolution, norm and ReLU; (B, inputs, H, W) -> (B, outputs, H, W).

    Without padding the grid loses two pixels on each side.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, padding: bool = True) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                relu_conv(channels, outputs, bias=norm == "none", padding=padding),
                make_norm(norm, outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


def relu_conv(inputs: int, outputs: int, *, bias: bool = True, padding: bool = True) -> nn.Conv2d:
    """A 3 × 3 convolution initialised for a ReLU behind it.

    Source: He et al., 2015, IEEE International Conference on Computer Vision, 1026-1034.
    """
    conv = nn.Conv2d(inputs, outputs, 3, padding=int(padding), bias=bias)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def output_conv(inputs: int, outputs: int, *, zero: bool) -> nn.Conv2d:
    """A pointwise convolution; with `zero` it answers 0 until it is trained."""
    conv = nn.Conv2d(inputs, outputs, 1)
    if zero:
        nn.init.zeros_(conv.weight)
    else:
        nn.init.xavier_normal_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def pad_to_multiple(frames: Tensor, multiple: int) -> Tensor:
    """Frames (B, C, H, W) with the last row and column repeated until both sizes divide."""
    bottom, right = (-size % multiple for size in frames.shape[-2:])
    if bottom or right:
        return F.pad(frames, (0, right, 0, bottom), mode="replicate")
    return frames


def crop_centre(frames: Tensor, like: Tensor) -> Tensor:
    """The middle of (…, H, W) as large as the grid of another.

    Raises:
        ValueError: If the other is larger, or does not leave as much on both sides.
    """
    edges = [a - b for a, b in zip(frames.shape[-2:], like.shape[-2:], strict=True)]
    if not any(edges):
        return frames
    top, left = (edge // 2 for edge in edges)
    height, width = like.shape[-2:]
    if min(edges) < 0 or any(edge % 2 for edge in edges):
        raise ValueError(
            f"expected a grid inside of {tuple(frames.shape[-2:])}, found {(height, width)} that "
            "cannot lie in its middle"
        )
    return frames[..., top : top + height, left : left + width]

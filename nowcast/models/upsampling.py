"""How a network returns to a finer grid."""

from __future__ import annotations

from typing import Literal

from torch import nn

from nowcast.models.blocks import relu_conv

Upsampling = Literal["nearest", "bilinear", "bicubic", "transposed"]
UPSAMPLINGS: tuple[Upsampling, ...] = ("nearest", "bilinear", "bicubic", "transposed")


def make_rise(
    upsampling: Upsampling, inputs: int, outputs: int, *, kernel: int = 2, bias: bool = True
) -> nn.Module:
    """From one level to the next finer: (B, inputs, H, W) -> (B, outputs, 2H, 2W).

    "nearest", "bilinear" and "bicubic" resize and then convolve, 3 × 3; "transposed" is a
    transposed convolution of stride 2.

    Args:
        upsampling: A name in UPSAMPLINGS.
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side of the transposed convolution, at least 2. Where it is odd its windows
            overlap unevenly, which shows as a checkerboard.
        bias: Whether the convolution has one.

    Raises:
        ValueError: If there is no such upsampling.

    Source: Odena, Dumoulin and Olah, 2016, Distill, doi:10.23915/distill.00003.
    """
    if upsampling == "transposed":
        padding, rest = (kernel - 1) // 2, kernel % 2
        return nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding, rest, bias=bias)
    if upsampling not in UPSAMPLINGS:
        raise ValueError(f"no upsampling {upsampling!r}; there are {list(UPSAMPLINGS)}")
    smooth = {"align_corners": False} if upsampling != "nearest" else {}
    larger = nn.Upsample(scale_factor=2, mode=upsampling, **smooth)
    return nn.Sequential(larger, relu_conv(inputs, outputs, bias=bias))

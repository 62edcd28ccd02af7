"""Convolutional autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm, output_conv, pad_to_multiple, relu_conv
from nowcast.models.encoder_decoder import EncoderDecoder, Response, make_response
from nowcast.models.layers import Activation, check_least, check_side, make_activation
from nowcast.models.upsampling import Upsampling, make_rise

Downsampling = Literal["max", "average", "stride"]
DOWNSAMPLINGS: tuple[Downsampling, ...] = ("max", "average", "stride")


class ConvAutoencoder(EncoderDecoder):
    """(B, inputs, H, W) -> (B, outputs, H, W); each level halves the grid, and back.

    With a dense code the images are size × size. Without one the maps of the coarsest level are
    the code, (B, widths[-1], H / 2^levels, W / 2^levels), and any H and W will do.
    First weights: He's normal, of the output Glorot's; biases 0.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        size: Side of the images; without a dense code it does not matter.
        widths: Channels of each level, from fine to coarse.
        code: Numbers of the dense code; None for none.
        depth: Convolutions of each level.
        down: What halves the grid: "max" or "average" pooling behind the level's convolutions, or
            the "stride" of the first of them; the decoder's levels are mirrored.
        up: How the decoder returns: "nearest", "bilinear" or "bicubic" resizing and a convolution,
            or a "transposed" convolution of 4 × 4, whose windows overlap evenly.
        norm: Normalisation behind every convolution.
        activation: Behind every layer but the code and the last.
        output: Behind the last layer: "sigmoid" gives 0 to 1, "linear" anything.

    Raises:
        ValueError: If a way down or up is unknown.

    Source: Masci et al., 2011, ICANN, LNCS 6791, 52-59.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        widths: Sequence[int] = (16, 32),
        code: int | None = 32,
        depth: int = 1,
        down: Downsampling = "max",
        up: Upsampling = "nearest",
        norm: Norm = "batch",
        activation: Activation = "relu",
        output: Response = "linear",
    ) -> None:
        super().__init__()
        check_least(self, size, 1)
        self.size = None if code is None else size
        self.multiple = 2 ** len(widths)
        maps = maps_shape(size, widths)
        self.encoder = make_encoder(inputs, widths, depth, down, norm, activation)
        rise = make_decoder(outputs, widths, depth, down, up, norm, activation)
        self.decoder = nn.Sequential(rise, make_response(output))
        if code is not None:
            count = maps[0] * maps[1] * maps[2]
            self.encoder = nn.Sequential(self.encoder, nn.Flatten(), nn.Linear(count, code))
            wider = (nn.Linear(code, count), make_activation(activation), nn.Unflatten(1, maps))
            self.decoder = nn.Sequential(*wider, *self.decoder)

    def encode(self, frames: Tensor) -> Tensor:
        """The codes, (B, code) or maps."""
        if self.size is not None:
            check_side(self, frames, self.size)
        code: Tensor = self.encoder(pad_to_multiple(frames, self.multiple))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """The images of codes; those of maps have sides that are multiples of 2^levels."""
        images: Tensor = self.decoder(code)
        return images if self.size is None else images[..., : self.size, : self.size]

    def forward(self, frames: Tensor) -> Tensor:
        """The images of the images' codes."""
        height, width = frames.shape[-2:]
        return self.decode(self.encode(frames))[..., :height, :width]


def maps_shape(size: int, widths: Sequence[int]) -> tuple[int, int, int]:
    """Channels, rows and columns of the coarsest level."""
    side = -(-size // 2 ** len(widths))
    return widths[-1], side, side


def make_encoder(
    inputs: int,
    widths: Sequence[int],
    depth: int,
    down: Downsampling,
    norm: Norm,
    activation: Activation,
) -> nn.Sequential:
    """Levels of convolutions, each halving the grid.

    Raises:
        ValueError: If there is no such way down.
    """
    if down not in DOWNSAMPLINGS:
        raise ValueError(f"no downsampling {down!r}; there are {list(DOWNSAMPLINGS)}")
    levels: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers: list[nn.Module] = []
        for part in range(depth):
            conv = relu_conv(before if part == 0 else after, after, bias=norm == "none")
            if down == "stride" and part == 0:
                conv.stride = (2, 2)
            layers += [conv, make_norm(norm, after), make_activation(activation)]
        if down != "stride":
            layers.append(nn.MaxPool2d(2) if down == "max" else nn.AvgPool2d(2))
        levels.append(nn.Sequential(*layers))
    return nn.Sequential(*levels)


def make_decoder(
    outputs: int,
    widths: Sequence[int],
    depth: int,
    down: Downsampling,
    up: Upsampling,
    norm: Norm,
    activation: Activation,
) -> nn.Sequential:
    """Levels that each double the grid, first or, against strides, last; then the image."""
    rises = depth - 1 if down == "stride" else 0
    levels: list[nn.Module] = []
    for before, after in pairwise((*reversed(widths), widths[0])):
        channels = [before] * (rises + 1) + [after] * (depth - rises)
        layers: list[nn.Module] = []
        for part, (entry, leave) in enumerate(pairwise(channels)):
            if part == rises:
                conv = make_rise(up, entry, leave, kernel=4, bias=norm == "none")
            else:
                conv = relu_conv(entry, leave, bias=norm == "none")
            layers += [conv, make_norm(norm, leave), make_activation(activation)]
        levels.append(nn.Sequential(*layers))
    return nn.Sequential(*levels, output_conv(widths[0], outputs, zero=False))

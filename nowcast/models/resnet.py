"""Residual networks, and their plain twins without shortcuts."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm
from nowcast.models.layers import make_he_normal

Stem = Literal["large", "small"]
Shortcut = Literal["projection", "pad", "none"]

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class ResNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W.

    11,689,512 weights at depth 18, 21,797,672 at 34 and 25,557,032 at 50, for colour images and
    1000 classes; the names of the weights are torchvision's. From depth 50 on, the 3 × 3
    convolution of a block halves the grid, not the first as published. First weights: He's
    normal by fan-out, norms 1 and 0, the dense layer's PyTorch's own.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        depth: Layers with weights: 18, 34, 50, 101 or 152.
        plain: Whether the shortcuts are left out, and their projections with them.
        stem: "large" begins with a 7 × 7 convolution and a pooling that leave a quarter of a
            side; "small" with a 3 × 3 convolution that keeps it.
        norm: Normalisation behind every convolution.
        width: Channels of the first stage; each of the three others doubles them.
        zero_residual: Whether each block is the identity until it is trained.

    Raises:
        ValueError: If there is no such depth or stem, or a block without a norm or a shortcut is
            to begin as the identity.

    Source: He, Zhang, Ren and Sun, 2016, IEEE Conference on Computer Vision and Pattern
        Recognition, 770-778.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 18,
        plain: bool = False,
        stem: Stem = "large",
        norm: Norm = "batch",
        width: int = 64,
        zero_residual: bool = False,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"ResNet: expected a depth among {list(BLOCKS)}, found {depth}")
        kernel = stem_kernel(stem)
        self.conv1 = make_conv(inputs, width, kernel, 2 if stem == "large" else 1, norm)
        self.bn1 = make_norm(norm, width)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "large" else nn.Identity()
        shortcut: Shortcut = "none" if plain else "projection"
        channels = width
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for place in range(count):
                stride = 2 if stage and not place else 1
                block = Block(channels, width * 2**stage, stride, depth >= 50, shortcut, norm)
                channels = block.outputs
                blocks.append(block)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, outputs)
        self.head = "fc"
        initialise(self, zero_residual=zero_residual)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        features = self.maxpool(F.relu(self.bn1(self.conv1(frames))))
        for name, layer in self.named_children():
            if name.startswith("layer"):
                features = layer(features)
        classes: Tensor = self.fc(features.mean(dim=(-2, -1)))
        return classes


class CifarResNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W, made for images of about 32 pixels.

    Three stages on the whole, the half and the quarter grid: 269,722 weights at depth 20 and
    853,018 at 56, for colour images and ten classes.
    First weights: He's normal by fan-out, norms 1 and 0, the dense layer's PyTorch's own.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        depth: Layers with weights, 6 n + 2: 20, 32, 44, 56 and 110 are published.
        plain: Whether the shortcuts are left out.
        shortcut: Where the channels grow: "pad" with zeros, without weights as published, or
            "projection" by a 1 × 1 convolution.
        norm: Normalisation behind every convolution.
        width: Channels of the first stage; either of the others doubles them.
        zero_residual: Whether each block is the identity until it is trained.

    Raises:
        ValueError: If the depth is not 6 n + 2, there is no such shortcut, or a block without a
            norm or a shortcut is to begin as the identity.

    Source: He, Zhang, Ren and Sun, 2016, IEEE Conference on Computer Vision and Pattern
        Recognition, 770-778, section 4.2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 20,
        plain: bool = False,
        shortcut: Literal["pad", "projection"] = "pad",
        norm: Norm = "batch",
        width: int = 16,
        zero_residual: bool = False,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"CifarResNet: expected a depth of 8, 14, 20, …, found {depth}")
        if shortcut not in ("pad", "projection"):
            raise ValueError(f"no shortcut {shortcut!r}; there are ['pad', 'projection']")
        kind: Shortcut = "none" if plain else shortcut
        self.conv1 = make_conv(inputs, width, 3, 1, norm)
        self.bn1 = make_norm(norm, width)
        channels, blocks = width, []
        for stage in range(3):
            for place in range(depth // 6):
                stride = 2 if stage and not place else 1
                block = Block(channels, width * 2**stage, stride, False, kind, norm)
                channels = block.outputs
                blocks.append(block)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, outputs)
        self.head = "fc"
        initialise(self, zero_residual=zero_residual)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        features = self.blocks(F.relu(self.bn1(self.conv1(frames))))
        classes: Tensor = self.fc(features.mean(dim=(-2, -1)))
        return classes


class Block(nn.Module):
    """Two or, as a bottleneck, three convolutions beside a shortcut.

    (B, inputs, H, W) -> (B, outputs, H / stride, W / stride), outputs four times the width in a
    bottleneck.
    """

    downsample: nn.Module | None

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        bottleneck: bool,
        shortcut: Shortcut,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.outputs = 4 * width if bottleneck else width
        self.bottleneck, self.shortcut, self.stride = bottleneck, shortcut, stride
        self.conv1 = make_conv(inputs, width, *((1, 1) if bottleneck else (3, stride)), norm)
        self.bn1 = make_norm(norm, width)
        self.conv2 = make_conv(width, width, 3, stride if bottleneck else 1, norm)
        self.bn2 = make_norm(norm, width)
        if bottleneck:
            self.conv3 = make_conv(width, self.outputs, 1, 1, norm)
            self.bn3 = make_norm(norm, self.outputs)
        self.downsample = None
        if shortcut == "projection" and (stride > 1 or inputs != self.outputs):
            projection = make_conv(inputs, self.outputs, 1, stride, norm)
            self.downsample = nn.Sequential(projection, make_norm(norm, self.outputs))

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the shortcut comes in."""
        return self.bn3 if self.bottleneck else self.bn2

    def forward(self, frames: Tensor) -> Tensor:
        """The features, none below 0."""
        features = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(frames)))))
        if self.bottleneck:
            features = self.bn3(self.conv3(F.relu(features)))
        if self.shortcut == "none":
            return F.relu(features)
        return F.relu(features + self._around(frames))

    def _around(self, frames: Tensor) -> Tensor:
        if self.downsample is not None:
            around: Tensor = self.downsample(frames)
            return around
        thinned = frames[..., :: self.stride, :: self.stride]
        return F.pad(thinned, (0, 0, 0, 0, 0, self.outputs - frames.shape[1]))


def make_conv(inputs: int, outputs: int, kernel: int, stride: int, norm: Norm) -> nn.Conv2d:
    """A padded convolution, with a bias only where no norm follows."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=norm == "none")


def stem_kernel(stem: Stem) -> int:
    """Side of the first convolution.

    Raises:
        ValueError: If there is no such stem.
    """
    kernels = {"large": 7, "small": 3}
    if stem not in kernels:
        raise ValueError(f"no stem {stem!r}; there are {list(kernels)}")
    return kernels[stem]


def initialise(network: nn.Module, *, zero_residual: bool) -> None:
    """Draw the first weights of the convolutions; with `zero_residual` blocks add 0 at first."""
    convolutions = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    make_he_normal(convolutions, mode="fan_out")
    if not zero_residual:
        return
    for block in network.modules():
        if isinstance(block, Block):
            weight = getattr(block.last_norm, "weight", None)
            if not isinstance(weight, torch.Tensor) or block.shortcut == "none":
                raise ValueError("zero_residual: expected blocks with a norm and a shortcut")
            nn.init.zeros_(weight)

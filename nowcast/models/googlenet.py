"""GoogLeNet: inception modules that look at several scales at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nowcast.models.layers import WholePool

Channels = tuple[int, int, int, int, int, int]

# 1 × 1; 3 × 3 reduced and full; 5 × 5 reduced and full; behind the pooling
INCEPTIONS: dict[str, Channels] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W.

    Nine inception modules with batch normalisation and without auxiliary heads: 6,624,904 weights
    for colour images and 1000 classes; the names of the weights are torchvision's, whose file
    expects images scaled to -1 … 1. First weights: truncated normal of deviation 0.01.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        kernel: Side of the largest convolutions: 5 as published, 3 as in torchvision's files.
        width: Factor on the channels of every layer.
        dropout: Share of the features that a training step hides from the dense layer.

    Raises:
        ValueError: If the kernel has no middle.

    Source: Szegedy et al., 2015, IEEE Conference on Computer Vision and Pattern Recognition, 1-9.
    """

    unused = ("aux1.", "aux2.")

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"GoogLeNet: expected an odd kernel, found {kernel}")
        stem, wide = (max(1, round(count * width)) for count in (64, 192))
        self.conv1 = ConvNorm(inputs, stem, 7, stride=2)
        self.maxpool1 = WholePool(3, 2, ceil_mode=True)
        self.conv2 = ConvNorm(stem, stem, 1)
        self.conv3 = ConvNorm(stem, wide, 3)
        self.maxpool2 = WholePool(3, 2, ceil_mode=True)
        channels = wide
        for name, counts in INCEPTIONS.items():
            inception = Inception(channels, scaled(counts, width), kernel)
            self.add_module(f"inception{name}", inception)
            channels = inception.outputs
            if name == "3b":
                self.maxpool3 = WholePool(3, 2, ceil_mode=True)
            if name == "4e":
                self.maxpool4 = WholePool(2, 2, ceil_mode=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, outputs)
        self.head = "fc"
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.01, a=-2, b=2)
        nn.init.zeros_(self.fc.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        features = frames
        for name, layer in self.named_children():
            features = features.flatten(1) if name == "dropout" else features
            features = layer(features)
        return features


class ConvNorm(nn.Module):
    """Convolution, batch norm and ReLU: (B, inputs, H, W) to outputs on the strided grid."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, frames: Tensor) -> Tensor:
        """The features, none below 0."""
        return torch.relu(self.bn(self.conv(frames)))


class Inception(nn.Module):
    """Four branches side by side; (B, inputs, H, W) -> (B, outputs, H, W)."""

    def __init__(self, inputs: int, counts: Channels, kernel: int) -> None:
        super().__init__()
        one, three_reduced, three, five_reduced, five, pooled = counts
        self.outputs = one + three + five + pooled
        self.branch1 = ConvNorm(inputs, one, 1)
        self.branch2 = nn.Sequential(
            ConvNorm(inputs, three_reduced, 1), ConvNorm(three_reduced, three, 3)
        )
        self.branch3 = nn.Sequential(
            ConvNorm(inputs, five_reduced, 1), ConvNorm(five_reduced, five, kernel)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvNorm(inputs, pooled, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """The features of all branches."""
        return torch.cat([branch(frames) for branch in self.children()], dim=1)


def scaled(counts: Channels, width: float) -> Channels:
    """The channels times a factor, none below 1."""
    one, three_reduced, three, five_reduced, five, pooled = (
        max(1, round(count * width)) for count in counts
    )
    return one, three_reduced, three, five_reduced, five, pooled

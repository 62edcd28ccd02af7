"""Convolutions in stages, then dense layers: the textbook network, and a small VGG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm
from nowcast.models.layers import (
    Activation,
    check_least,
    check_side,
    make_activation,
    make_dense,
    make_he_normal,
)


class CNN(nn.Module):
    """(B, inputs, size, size) -> (B, outputs).

    Stages of 3 × 3 convolutions without padding, each stage halved by max pooling, then dense
    layers. As it stands: 1,199,882 weights for 28 × 28 grey images and ten classes, the network
    of PyTorch's MNIST example. First weights: He's normal, biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        size: Side of the images.
        stages: Channels of each convolution, stage by stage.
        hidden: Units of each hidden dense layer.
        activation: Behind every layer but the last.
        norm: Normalisation behind every convolution.
        feature_dropout: Share of the features that a training step hides from the dense layers.
        dropout: Share of the hidden units that a training step leaves out.

    Raises:
        ValueError: If the image is too small for the stages.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        stages: Sequence[Sequence[int]] = ((32, 64),),
        hidden: Sequence[int] = (128,),
        activation: Activation = "relu",
        norm: Norm = "none",
        feature_dropout: float = 0.25,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_least(self, size, least_size(stages))
        self.size = size
        layers: list[nn.Module] = []
        channels, side = inputs, size
        for widths in stages:
            layers += make_stage(channels, widths, activation, norm)
            channels, side = widths[-1], (side - 2 * len(widths)) // 2
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(feature_dropout)
        self.classifier = make_dense(channels * side**2, hidden, outputs, activation, dropout)
        self.head = f"classifier.{len(self.classifier) - 1}"
        make_he_normal(self.modules(), mode="fan_in")

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        check_side(self, frames, self.size)
        classes: Tensor = self.classifier(self.dropout(self.features(frames).flatten(1)))
        return classes


class SmallVGG(CNN):
    """(B, inputs, size, size) -> (B, outputs).

    Two stages, 16 and 32, then 64 and 128 channels: 3 × 3 convolutions with bias, without padding
    and without normalisation, a leaky ReLU of slope 0.01 behind each, and 2 × 2 max pooling behind
    each pair. An image of 28 pixels shrinks to 26, 24, 12, 10, 8 and 4, so 128 × 4 × 4 = 2048
    features reach the dense layers 2048 -> 128 -> outputs: 360,714 weights for one channel and ten
    classes. First weights: PyTorch's own, uniform between ±1/√(inputs of a unit).

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        size: Side of the images.
        stages: Channels of each convolution, stage by stage.
        hidden: Units of each hidden dense layer.
        activation: Behind every layer but the last.
        norm: Normalisation behind every convolution.
        dropout: Share of the hidden units that a training step leaves out.

    Raises:
        ValueError: If the image is too small for the stages.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        stages: Sequence[Sequence[int]] = ((16, 32), (64, 128)),
        hidden: Sequence[int] = (128,),
        activation: Activation = "leaky_relu",
        norm: Norm = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            size=size,
            stages=stages,
            hidden=hidden,
            activation=activation,
            norm=norm,
            feature_dropout=0.0,
            dropout=dropout,
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()


def make_stage(
    inputs: int, widths: Sequence[int], activation: Activation, norm: Norm
) -> list[nn.Module]:
    """Unpadded 3 × 3 convolutions, norm and activation behind each, and a pooling that halves."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers.append(nn.Conv2d(before, after, 3))
        if norm != "none":
            layers.append(make_norm(norm, after))
        layers.append(make_activation(activation))
    return [*layers, nn.MaxPool2d(2)]


def least_size(stages: Sequence[Sequence[int]]) -> int:
    """The smallest side of which the stages leave a pixel."""
    side = 1
    for widths in reversed(stages):
        side = 2 * side + 2 * len(widths)
    return side

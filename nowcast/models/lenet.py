"""LeNet-5, the first convolutional network that read handwriting in earnest."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from nowcast.models.layers import Activation, check_least, check_side, make_activation, make_dense

Pooling = Literal["average", "max"]


class LeNet(nn.Module):
    """(B, inputs, size, size) -> (B, outputs).

    Two 5 × 5 convolutions of 6 and 16 channels, each pooled, then dense layers of 120 and 84.
    Unlike the original, the second convolution sees all six channels, pooling has no weights and
    the last layer is dense: 61,706 weights for 28 × 28 grey images and ten classes.
    First weights: Glorot's uniform, biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        size: Side of the images.
        padding: Rows and columns of zeros around the image: 2 makes 28 pixels the published 32.
        activation: Behind every layer but the last.
        pooling: What halves the grid.

    Raises:
        ValueError: If the image is too small, or there is no such pooling.

    Source: LeCun, Bottou, Bengio and Haffner, 1998, Proceedings of the IEEE 86, 2278-2324.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        padding: int = 2,
        activation: Activation = "tanh",
        pooling: Pooling = "average",
    ) -> None:
        super().__init__()
        check_least(self, size, 16 - 2 * padding)
        self.size = size
        self.features = nn.Sequential(
            nn.Conv2d(inputs, 6, 5, padding=padding),
            make_activation(activation),
            make_pooling(pooling),
            nn.Conv2d(6, 16, 5),
            make_activation(activation),
            make_pooling(pooling),
        )
        side = ((size + 2 * padding - 4) // 2 - 4) // 2
        self.classifier = make_dense(16 * side**2, (120, 84), outputs, activation, 0.0)
        self.head = "classifier.4"
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        check_side(self, frames, self.size)
        classes: Tensor = self.classifier(self.features(frames).flatten(1))
        return classes


def make_pooling(pooling: Pooling) -> nn.Module:
    """What halves a grid.

    Raises:
        ValueError: If there is no such pooling.
    """
    if pooling == "average":
        return nn.AvgPool2d(2)
    if pooling == "max":
        return nn.MaxPool2d(2)
    raise ValueError(f"no pooling {pooling!r}; there are ['average', 'max']")

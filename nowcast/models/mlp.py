"""A multilayer perceptron: dense layers alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nowcast.models.layers import Activation, check_least, check_side, make_dense, make_he_normal


class MLP(nn.Module):
    """(B, inputs, size, size) -> (B, outputs).

    First weights: He's normal, biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        size: Side of the images.
        hidden: Units of each hidden layer.
        activation: Behind every hidden layer.
        dropout: Share of the hidden units that a training step leaves out.

    Source: Rumelhart, Hinton and Williams, 1986, Nature 323, 533-536.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        hidden: Sequence[int] = (256, 128),
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_least(self, size, 1)
        self.size = size
        self.layers = make_dense(inputs * size**2, hidden, outputs, activation, dropout)
        self.head = f"layers.{len(self.layers) - 1}"
        make_he_normal(self.modules(), mode="fan_in")

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        check_side(self, frames, self.size)
        classes: Tensor = self.layers(frames.flatten(1))
        return classes

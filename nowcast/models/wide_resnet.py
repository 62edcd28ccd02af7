"""Wide residual networks: fewer layers, more channels, norms before the convolutions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm
from nowcast.models.layers import make_he_normal


class WideResNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W, made for images of about 32 pixels.

    Three stages on the whole, the half and the quarter grid: 2,748,890 weights at depth 16 and
    width 4, 36,479,194 at 28 and 10, for colour images and ten classes.
    First weights: He's normal by fan-out, norms 1 and 0, the dense layer's PyTorch's own with
    biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        depth: Layers with weights, 6 n + 4: 16, 22, 28 and 40 are published.
        width: Factor on the 16, 32 and 64 channels of the three stages.
        norm: Normalisation before every convolution but the first.
        dropout: Share of the numbers between the convolutions of a block that a training step
            leaves out.

    Raises:
        ValueError: If the depth is not 6 n + 4.

    Source: Zagoruyko and Komodakis, 2016, British Machine Vision Conference, arXiv:1605.07146.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 16,
        width: int = 4,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"WideResNet: expected a depth of 10, 16, 22, …, found {depth}")
        self.conv1 = make_conv(inputs, 16, 3, 1)
        channels, blocks = 16, []
        for stage in range(3):
            for place in range(depth // 6):
                stride = 2 if stage and not place else 1
                outer = 16 * 2**stage * width
                blocks.append(WideBlock(channels, outer, stride, norm, dropout))
                channels = outer
        self.blocks = nn.Sequential(*blocks)
        self.bn = make_norm(norm, channels)
        self.fc = nn.Linear(channels, outputs)
        self.head = "fc"
        convolutions = (layer for layer in self.modules() if isinstance(layer, nn.Conv2d))
        make_he_normal(convolutions, mode="fan_out")
        nn.init.zeros_(self.fc.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        features = F.relu(self.bn(self.blocks(self.conv1(frames))))
        classes: Tensor = self.fc(features.mean(dim=(-2, -1)))
        return classes


class WideBlock(nn.Module):
    """Two convolutions behind norms, beside a shortcut that is projected where channels grow.

    (B, inputs, H, W) -> (B, outputs, H / stride, W / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.bn1 = make_norm(norm, inputs)
        self.conv1 = make_conv(inputs, outputs, 3, stride)
        self.bn2 = make_norm(norm, outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = make_conv(outputs, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.projection = None if same else make_conv(inputs, outputs, 1, stride)

    def forward(self, frames: Tensor) -> Tensor:
        """The features."""
        active = F.relu(self.bn1(frames))
        around = frames if self.projection is None else self.projection(active)
        features = self.dropout(F.relu(self.bn2(self.conv1(active))))
        added: Tensor = self.conv2(features) + around
        return added


def make_conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    """A padded convolution without a bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)

"""VGG: depth by 3 × 3 convolutions alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm
from nowcast.models.layers import WholePool, make_he_normal, make_normal

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}

PUBLISHED = (7, 4096, 4096)


class VGG(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for any H and W.

    Five stages of convolutions, each halved by max pooling until a side is one pixel, then three
    dense layers. Depth 16 has 138,357,544 weights for colour images and 1000 classes, depth 19
    has 143,667,240; with norm "none" and "batch" the names of the weights are torchvision's.
    First weights: He's normal, biases 0; the last layer's normal with deviation 0.01.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        depth: Layers with weights: 11, 13, 16 or 19.
        norm: Normalisation behind every convolution.
        widths: Channels of the five stages.
        pool: Side of the grid that the dense layers see; 1 is the average of the whole grid.
        hidden: Units of each hidden dense layer; () leaves one dense layer in all.
        dropout: Share of the hidden units that a training step leaves out.

    Raises:
        ValueError: If there is no such depth.

    Source: Simonyan and Zisserman, 2015, International Conference on Learning Representations,
        arXiv:1409.1556.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depth: int = 16,
        norm: Norm = "none",
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        pool: int = 7,
        hidden: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if depth not in CONVOLUTIONS:
            raise ValueError(f"VGG: expected a depth among {list(CONVOLUTIONS)}, found {depth}")
        layers: list[nn.Module] = []
        channels = inputs
        for count, width in zip(CONVOLUTIONS[depth], widths, strict=True):
            for _ in range(count):
                layers += make_convolution(channels, width, norm)
                channels = width
            layers.append(WholePool(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        dense: list[nn.Module] = []
        units = channels * pool**2
        for width in hidden:
            dense += [nn.Linear(units, width), nn.ReLU(), nn.Dropout(dropout)]
            units = width
        last = nn.Linear(units, outputs)
        self.classifier = nn.Sequential(*dense, last)
        published = (pool, *hidden) == PUBLISHED
        self.head = f"classifier.{len(dense)}" if published else "classifier"
        make_he_normal(self.modules(), mode="fan_in")
        make_normal(last, 0.01)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        classes: Tensor = self.classifier(self.avgpool(self.features(frames)).flatten(1))
        return classes


def make_convolution(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    """A 3 × 3 convolution, its norm if any, and a ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1)]
    if norm != "none":
        layers.append(make_norm(norm, outputs))
    return [*layers, nn.ReLU()]

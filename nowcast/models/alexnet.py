"""AlexNet, and its twins with layers left out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nowcast.models.layers import WholePool, make_he_normal, make_normal

REMOVABLE = (3, 4, 6, 7)
PUBLISHED = (6, 4096, 4096)


class AlexNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs) for H and W of at least 7, with the usual first layer.

    Five convolutions and three dense layers, 61,100,840 weights for colour images and 1000
    classes; the names of the weights are torchvision's.
    First weights: He's normal, biases 0; the last layer's normal with deviation 0.01.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        first: Kernel, stride and padding of the first convolution; (3, 1, 1) suits images of
            about 32 pixels and takes any size.
        widths: Channels of the five convolutions.
        pool: Side of the grid that the dense layers see.
        hidden: Units of the two hidden dense layers.
        dropout: Share of the units before either hidden layer that a training step leaves out.
        without: Layers left out, of 3 and 4 (convolutions), 6 and 7 (dense), counted from 1.

    Raises:
        ValueError: If a layer is to be left out that cannot be.

    Source: Krizhevsky, 2014, arXiv:1404.5997; layers left out: Zeiler and Fergus, 2014, European
        Conference on Computer Vision, LNCS 8689, 818-833.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        first: Sequence[int] = (11, 4, 2),
        widths: Sequence[int] = (64, 192, 384, 256, 256),
        pool: int = 6,
        hidden: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        without: Sequence[int] = (),
    ) -> None:
        super().__init__()
        unknown = sorted(set(without) - set(REMOVABLE))
        if unknown:
            raise ValueError(
                f"AlexNet: expected layers to leave out among {list(REMOVABLE)}, found {unknown[0]}"
            )
        self.least = first[0] - 2 * first[2]
        self.features = make_features(inputs, first, widths, without)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        dense, features = make_dense_layers(widths[4] * pool**2, hidden, dropout, without)
        last = nn.Linear(features, outputs)
        self.classifier = nn.Sequential(*dense, last)
        published = (pool, *hidden) == PUBLISHED and not {6, 7} & set(without)
        self.head = "classifier.6" if published else "classifier"
        make_he_normal(self.modules(), mode="fan_in")
        make_normal(last, 0.01)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        height, width = frames.shape[-2:]
        if min(height, width) < self.least:
            raise ValueError(
                f"AlexNet: expected sides of at least {self.least} pixels, found {height} × "
                f"{width}; enlarge the images or give the network a smaller first convolution"
            )
        classes: Tensor = self.classifier(self.avgpool(self.features(frames)).flatten(1))
        return classes


def make_features(
    inputs: int, first: Sequence[int], widths: Sequence[int], without: Sequence[int]
) -> nn.Sequential:
    """The convolutions; an identity stands where one is left out."""
    kernel, stride, padding = first
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, widths[0], kernel, stride, padding),
        nn.ReLU(),
        WholePool(3, 2),
        nn.Conv2d(widths[0], widths[1], 5, padding=2),
        nn.ReLU(),
        WholePool(3, 2),
    ]
    channels = widths[1]
    for layer, width in enumerate(widths[2:], start=3):
        if layer in without:
            layers += [nn.Identity(), nn.Identity()]
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, WholePool(3, 2))


def make_dense_layers(
    features: int, hidden: Sequence[int], dropout: float, without: Sequence[int]
) -> tuple[list[nn.Module], int]:
    """The hidden layers and their features; an identity stands where one is left out."""
    layers: list[nn.Module] = []
    for layer, width in enumerate(hidden, start=6):
        if layer in without:
            layers += [nn.Identity(), nn.Identity(), nn.Identity()]
        else:
            dense = nn.Linear(features, width)
            layers += [nn.Dropout(dropout), dense, nn.ReLU()]
            features = width
    return layers, features

"""The class of a pixel from the window around it, window by window or for all pixels at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.layers import make_he_normal

WINDOWS: dict[int, tuple[tuple[int, ...], int]] = {
    23: ((4, 3), 4),
    33: ((4, 4), 6),
    47: ((4, 3, 3), 4),
    65: ((4, 4, 5), 5),
    95: ((4, 5, 4, 4), 3),
}
"""Side of the window: sides of the convolutions' kernels, and of the grid that is left behind them
and the 2 × 2 max pooling of each."""


class SlidingWindow(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W, each pixel from its own window.

    Convolutions, each halved by max pooling, then dense layers. Without padding only the pixels
    are answered whose window lies inside: `margin` fewer on each side.
    First weights: He's normal, biases 0.

    Args:
        inputs: Channels in.
        outputs: Numbers out by pixel, e.g. one logit a class.
        side: Of the window, in pixels: one in WINDOWS.
        width: Channels of each convolution.
        hidden: Units of each hidden dense layer.
        padding: Whether the picture goes on mirrored beyond its edges.

    Raises:
        ValueError: If there is no such side, or a picture without padding is smaller.

    Source: Ciresan, Giusti, Gambardella and Schmidhuber, 2012, Advances in Neural Information
        Processing Systems 25, 2843-2851.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        side: int = 95,
        width: int = 48,
        hidden: Sequence[int] = (200,),
        padding: bool = True,
    ) -> None:
        super().__init__()
        if side not in WINDOWS:
            raise ValueError(f"SlidingWindow: expected a side among {list(WINDOWS)}, found {side}")
        kernels, left = WINDOWS[side]
        self.side, self.padding, self.multiple = side, padding, 1
        self.margin = 0 if padding else side // 2
        channels = (inputs, *[width] * len(kernels))
        self.features = nn.ModuleList(
            nn.Conv2d(a, b, k) for (a, b), k in zip(pairwise(channels), kernels, strict=True)
        )
        units = (width * left**2, *hidden, outputs)
        self.classifier = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(units))
        self.head = f"classifier.{len(self.classifier) - 1}"
        make_he_normal(self.modules(), mode="fan_in")

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of every pixel, by the cheaper way."""
        if frames.shape[-2:] == (self.side, self.side) and not self.padding:
            return self.classify(frames)[..., None, None]
        return self.densely(frames)

    def classify(self, windows: Tensor) -> Tensor:
        """(N, inputs, side, side) -> (N, outputs): the numbers of the pixels in the centres."""
        features = windows
        for layer in self._convolutions:
            features = F.max_pool2d(F.relu(layer(features)), 2)
        features = features.flatten(1)
        for number, dense in enumerate(self._dense_layers):
            features = dense(F.relu(features) if number else features)
        return features

    def by_windows(self, frames: Tensor, together: int = 256) -> Tensor:
        """The numbers of every pixel, each window by itself.

        Args:
            frames: As of `forward`.
            together: Windows classified at a time.
        """
        windows = self._framed(frames).unfold(2, self.side, 1).unfold(3, self.side, 1)
        batch, _, height, width = windows.shape[:4]
        every = windows.permute(0, 2, 3, 1, 4, 5)
        rows = max(together // width, 1)
        parts = [
            self.classify(strip.reshape(-1, *every.shape[3:]))
            for picture in every
            for strip in picture.split(rows)
        ]
        return torch.cat(parts).view(batch, height, width, -1).permute(0, 3, 1, 2)

    def densely(self, frames: Tensor) -> Tensor:
        """The numbers of every pixel, each layer once for the whole picture.

        The pooling of a layer keeps every pixel, and what follows takes each second one of what
        it took before (à trous).
        """
        features, step = self._framed(frames), 1
        for layer in self._convolutions:
            features = F.conv2d(features, layer.weight, layer.bias, dilation=step)
            features = F.max_pool2d(F.relu(features), 2, stride=1, dilation=step)
            step *= 2
        for number, dense in enumerate(self._dense_layers):
            left = WINDOWS[self.side][1] if number == 0 else 1
            kernel = dense.weight.view(dense.out_features, -1, left, left)
            features = F.conv2d(
                F.relu(features) if number else features, kernel, dense.bias, dilation=step
            )
        return features

    def dense(self) -> Dense:
        """The fully convolutional network of the same weights."""
        return Dense(self)

    @property
    def _convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    @property
    def _dense_layers(self) -> list[nn.Linear]:
        return [layer for layer in self.classifier if isinstance(layer, nn.Linear)]

    def _framed(self, frames: Tensor) -> Tensor:
        if self.padding:
            return mirrored(frames, self.side // 2)
        height, width = frames.shape[-2:]
        if min(height, width) < self.side:
            raise ValueError(
                f"SlidingWindow without padding: expected sides of at least {self.side} pixels, "
                f"found {height} × {width}"
            )
        return frames

    def redundant_work(self, height: int, width: int) -> list[LayerWork]:
        """Multiply-adds of each layer for one picture (height, width), by either way."""
        lost = 0 if self.padding else self.side - 1
        pixels = (height - lost) * (width - lost)
        alone, step, work = self.side, 1, []
        height, width = height + self.side - 1 - lost, width + self.side - 1 - lost
        for number, layer in enumerate(self._convolutions):
            each = layer.weight.numel()
            kernel = layer.kernel_size[0]
            alone -= kernel - 1
            height, width = height - (kernel - 1) * step, width - (kernel - 1) * step
            work.append(
                LayerWork(f"features.{number}", pixels * alone**2 * each, height * width * each)
            )
            alone, height, width, step = alone // 2, height - step, width - step, 2 * step
        for number, dense in enumerate(self._dense_layers):
            each = pixels * dense.weight.numel()
            work.append(LayerWork(f"classifier.{number}", each, each))
        return work


class Dense(nn.Module):
    """The fully convolutional network of a sliding window's own weights.

    (B, inputs, H, W) -> (B, outputs, H, W), each layer once for the whole picture.
    """

    def __init__(self, window: SlidingWindow) -> None:
        super().__init__()
        self.window = window
        self.margin, self.multiple = window.margin, window.multiple

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of every pixel."""
        return self.window.densely(frames)


@dataclass(frozen=True)
class LayerWork:
    """What one layer costs a whole picture, in multiply-adds.

    Args:
        layer: Its name.
        windows: Every window by itself.
        dense: The whole picture at once.
    """

    layer: str
    windows: int
    dense: int


def mirrored(frames: Tensor, margin: int) -> Tensor:
    """(…, H, W) with `margin` pixels more on each side, mirrored at the edges of any grid."""
    for axis in (-2, -1):
        size = frames.shape[axis]
        period = max(2 * size - 2, 1)
        place = torch.arange(-margin, size + margin, device=frames.device) % period
        frames = frames.index_select(axis, torch.minimum(place, period - place))
    return frames

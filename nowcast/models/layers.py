"""Parts that several image networks share: activations, dense layers, pooling, first weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def make_activation(activation: Activation) -> nn.Module:
    """A fresh activation; the leaky one has slope 0.01 below 0.

    Raises:
        ValueError: If there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}; there are {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[activation]()


def make_dense(
    inputs: int, hidden: Sequence[int], outputs: int, activation: Activation, dropout: float
) -> nn.Sequential:
    """Dense layers (B, inputs) -> (B, outputs), activation and dropout behind all but the last.

    There is no dropout layer where `dropout` is 0.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *hidden)):
        layers += [nn.Linear(before, after), make_activation(activation)]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))


class WholePool(nn.Module):
    """Max pooling that takes a side shorter than its kernel whole instead of refusing it.

    Args:
        kernel: Side of the windows.
        stride: Pixels between them.
        ceil_mode: Whether a window may reach over the edge.
    """

    def __init__(self, kernel: int, stride: int, *, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.ceil_mode = kernel, stride, ceil_mode

    def forward(self, frames: Tensor) -> Tensor:
        """The largest of each window."""
        height, width = frames.shape[-2:]
        kernel = (min(self.kernel, height), min(self.kernel, width))
        return F.max_pool2d(frames, kernel, self.stride, ceil_mode=self.ceil_mode)


def make_he_normal(modules: Iterable[nn.Module], *, mode: Literal["fan_in", "fan_out"]) -> None:
    """Give convolutions and dense layers He's normal weights for a ReLU, and biases 0.

    Source: He et al., 2015, IEEE International Conference on Computer Vision, 1026-1034.
    """
    for module in modules:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def make_normal(module: nn.Linear, deviation: float) -> None:
    """Give a dense layer normal weights of that standard deviation, and biases 0."""
    nn.init.normal_(module.weight, std=deviation)
    nn.init.zeros_(module.bias)


def check_least(network: nn.Module, size: int, least: int) -> None:
    """Refuse a side that the network's layers would use up.

    Raises:
        ValueError: If `size` is below `least`.
    """
    if size < least:
        name = type(network).__name__
        raise ValueError(f"{name}: expected size of at least {least} pixels, found {size}")


def check_side(network: nn.Module, frames: Tensor, size: int) -> None:
    """Refuse images that are not the square that a network was made for.

    Raises:
        ValueError: If a side of the frames (B, C, H, W) is not `size`.
    """
    height, width = frames.shape[-2:]
    if (height, width) != (size, size):
        raise ValueError(
            f"{type(network).__name__}: expected images of {size} × {size} pixels, found "
            f"{height} × {width}; resize them or give the network another size"
        )

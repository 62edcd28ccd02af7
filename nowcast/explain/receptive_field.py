"""From how far away a unit of a layer takes what it knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.explain.layers import answers_of, as_maps, evaluating, recorded

COUNTS = 1 - 0.9545  # of the largest influence: what lies within two deviations of a Gaussian

AT_ONCE = 8  # draws


@dataclass(frozen=True)
class ReceptiveField:
    """The influence of every input pixel on the middle unit of a layer.

    Args:
        influence: (H, W) mean size of the gradient, its largest 1; 0 where there is none.
    """

    influence: Tensor

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns between the outermost pixels of any influence: the theoretical field."""
        some = self.influence > 0
        rows, columns = (torch.nonzero(some.any(axis))[:, 0] for axis in (1, 0))
        return int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1

    @property
    def effective_side(self) -> float:
        """Side of the square with as many pixels as have more than 4.55 % of the most influence."""
        return math.sqrt(int((self.influence > COUNTS).sum()))


def effective_receptive_field(
    network: nn.Module,
    layer: str,
    shape: tuple[int, int, int],
    samples: int = 16,
    seed: int = 0,
    frames: Tensor | None = None,
) -> ReceptiveField:
    """The effective receptive field of a layer's middle unit.

    Args:
        network: Its weights stay as they are.
        layer: One with maps.
        shape: (C, H, W) of an input: larger than the field, or the field is cut.
        samples: Draws of an input and of the weight of each channel.
        seed: Of these draws.
        frames: (B, C, H, W) to take as inputs in turn; None draws white noise.

    Raises:
        ValueError: If there is no such layer, it has no maps, or nothing has an influence.

    Source: Luo et al., 2016, Advances in Neural Information Processing Systems 29, 4898-4906.
    """
    dice = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    total = torch.zeros(shape[1:], device=device)
    with evaluating(network):
        for start in range(0, samples, AT_ONCE):
            draws = range(start, min(start + AT_ONCE, samples))
            drawn = torch.randn((len(draws), *shape), generator=dice)
            if frames is not None:
                drawn = frames[[draw % len(frames) for draw in draws]].detach()
            inputs = drawn.to(device, copy=True).requires_grad_()
            total += _gradient(network, layer, inputs, dice).abs().sum((0, 1))
    if not total.any():
        raise ValueError(
            f"{type(network).__name__}: expected inputs with an influence on layer {layer!r}, "
            "found none"
        )
    return ReceptiveField((total / total.max()).cpu())


def _gradient(network: nn.Module, layer: str, inputs: Tensor, dice: torch.Generator) -> Tensor:
    with recorded(network, [layer]) as runs:
        network(inputs)
    maps = as_maps(answers_of(network, layer, runs)[-1])
    if maps is None:
        raise ValueError(
            f"{type(network).__name__}: expected a layer with maps, found {layer!r} without"
        )
    unit = maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2]
    weights = torch.randn(unit.shape, generator=dice).to(unit.device)
    return torch.autograd.grad((weights * unit).sum(), inputs)[0]

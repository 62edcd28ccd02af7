"""The layers of any network by their names, and what they answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Runs = dict[str, list[Tensor]]
CONTAINERS = (nn.ModuleList, nn.ModuleDict)


def layer_names(network: nn.Module) -> list[str]:
    """The names of all layers, in the order in which they are defined, outer before inner."""
    parts = network.named_modules()
    return [name for name, part in parts if name and not isinstance(part, CONTAINERS)]


def activations(network: nn.Module, names: Sequence[str], frames: Tensor) -> dict[str, Tensor]:
    """What some layers answer to frames (B, C, H, W), as the network sees them.

    The network is in evaluation mode meanwhile. Of a layer that runs several times the last
    answer is given, of one with several answers the first.

    Raises:
        ValueError: If there is no such layer, or it does not run.
    """
    with evaluating(network), torch.no_grad(), recorded(network, names) as runs:
        network(frames)
    return {name: answers_of(network, name, runs)[-1] for name in names}


def layer_shapes(network: nn.Module, frames: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of every layer's answer to frames (B, C, H, W), in the order in which they end."""
    with evaluating(network), torch.no_grad(), recorded(network, layer_names(network)) as runs:
        network(frames)
    return {name: tuple(answers[-1].shape) for name, answers in runs.items()}


def first_layer_filters(network: nn.Module, channels: int = 1) -> Tensor:
    """The weights (filters, inputs, height, width) of the first convolution.

    Args:
        network: If it has none, the first dense layer's weights are laid out as square images.
        channels: Of these images.

    Raises:
        ValueError: If there is neither a convolution nor a dense layer of square images.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            return part.weight.detach().cpu().clone()
    for part in network.modules():
        if isinstance(part, nn.Linear):
            side = math.isqrt(part.in_features // channels)
            if channels * side * side == part.in_features:
                return part.weight.detach().cpu().view(-1, channels, side, side).clone()
            break
    raise ValueError(
        f"{type(network).__name__}: expected a convolution, or a first dense layer of square "
        f"images with {channels} channels; found neither"
    )


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, with gradients where asked for; afterwards every part is as it was."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        with torch.inference_mode(mode=False), torch.enable_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def recorded(network: nn.Module, names: Sequence[str]) -> Iterator[Runs]:
    """The answers of layers, filled while the network runs, apart from what becomes of them.

    Raises:
        ValueError: If there is no such layer.
    """
    runs: Runs = {}
    with ExitStack() as hooks:
        for name in names:
            layer = find_layer(network, name)
            hooks.callback(layer.register_forward_hook(_keep(runs, name)).remove)
        yield runs


def _keep(runs: Runs, name: str) -> Any:
    def keep(_layer: nn.Module, _inputs: object, output: Any) -> Any:
        first = output if isinstance(output, Tensor) else output[0]
        runs.setdefault(name, []).append(first)
        # later layers may work in place
        return first.clone() if first is output else (first.clone(), *output[1:])

    return keep


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """The layer of that name.

    Raises:
        ValueError: If there is none.
    """
    names = layer_names(network)
    if name in names:
        return network.get_submodule(name)
    shown = ", ".join(repr(held) for held in names[:8]) + (", …" if len(names) > 8 else "")
    raise ValueError(f"{type(network).__name__} has no layer {name!r}; it has {shown}")


def answers_of(network: nn.Module, name: str, runs: Runs) -> list[Tensor]:
    """The answers of one layer, one a run.

    Raises:
        ValueError: If it did not run.
    """
    if name not in runs:
        raise ValueError(
            f"{type(network).__name__}: layer {name!r} did not run; choose one that layer_shapes "
            "lists"
        )
    return runs[name]


def as_maps(answer: Tensor) -> Tensor | None:
    """An answer as maps (B, C, h, w), None if it has no grid.

    Tokens (B, n, C) of a square grid, with or without a class token before them, are laid out.
    """
    if answer.ndim == 4:
        return answer
    if answer.ndim == 3:
        for count in (answer.shape[1], answer.shape[1] - 1):
            side = math.isqrt(max(count, 0))
            if side > 1 and side * side == count:
                tokens = answer[:, answer.shape[1] - count :]
                return tokens.transpose(1, 2).reshape(len(answer), -1, side, side)
    return None


def responses(answer: Tensor) -> Tensor:
    """(B, C): every channel's mean over its map or its tokens; of a vector the vector itself."""
    maps = as_maps(answer)
    if maps is not None:
        return maps.mean((-2, -1))
    return answer.mean(1) if answer.ndim == 3 else answer.flatten(1)


def check_channel(name: str, channel: int, count: int) -> None:
    """Refuse a channel that a layer does not have.

    Raises:
        ValueError: With how many there are.
    """
    if not 0 <= channel < count:
        raise ValueError(
            f"layer {name!r}: expected a channel from 0 to {count - 1}, found {channel}"
        )

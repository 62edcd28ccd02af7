"""Which weights of a network learn, when, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from nowcast.models import load_pretrained
from nowcast.optimisers import make_optimiser, scheduled_rate
from nowcast.recipes import Recipe


@dataclass(frozen=True)
class Freezing:
    """From which step on each weight learns; a weight that is not named learns from the first.

    Args:
        starts: Steps by the weight's name; infinity for never.
    """

    starts: Mapping[str, float]

    @classmethod
    def of(cls, recipe: Recipe, network: nn.Module) -> Self:
        """What the recipe freezes of its network.

        Raises:
            ValueError: If it names a module that the network does not have, or freezes all.
        """
        begins = dict.fromkeys(recipe.freeze, math.inf)
        begins |= {name: math.ceil(at * recipe.steps) for name, at in recipe.unfreeze.items()}
        weights = [name for name, _ in network.named_parameters()]
        for module in begins:
            if not any(_within(name, module) for name in weights):
                layers = sorted({name.split(".")[0] for name in weights})
                raise ValueError(
                    f"recipe {recipe.name!r}: expected modules of network {recipe.network!r} to "
                    f"freeze, found {module!r}; it has {layers}"
                )
        starts = {}
        for name in weights:
            fitting = [module for module in begins if _within(name, module)]
            if fitting:
                starts[name] = begins[max(fitting, key=len)]
        if starts.keys() == set(weights) and min(starts.values()) > 0:
            raise ValueError(f"recipe {recipe.name!r}: every weight is frozen; leave some to learn")
        return cls(starts)

    @property
    def changes(self) -> frozenset[float]:
        """Steps from which more weights learn than before."""
        return frozenset(self.starts.values())

    def apply(self, network: nn.Module, step: int, *, shared: bool) -> None:
        """Let nothing but what learns at a step change: no weight, no average of a norm.

        Args:
            network: In training mode.
            step: The next one.
            shared: Whether processes add up their gradients, for which they must agree on all
                weights that ever learn: those are left to `forget`.
        """
        for name, weight in network.named_parameters():
            start = self.starts.get(name, 0)
            weight.requires_grad_(start < math.inf if shared else start <= step)
        for name, module in network.named_modules():
            own = [f"{name}.{part}" for part, _ in module.named_parameters(recurse=False)]
            if own:
                module.train(any(self.starts.get(weight, 0) <= step for weight in own))

    def forget(self, network: nn.Module, step: int) -> None:
        """Drop the gradients of what does not learn yet."""
        for name, weight in network.named_parameters():
            if self.starts.get(name, 0) > step:
                weight.grad = None


def first_weights(
    recipe: Recipe, weights: Mapping[str, Tensor] | None = None, *, resumed: bool
) -> nn.Module:
    """The recipe's network, its weights drawn by the seed.

    Where a file of weights is to begin with, they replace all but the last layer's, unless the
    run is resumed; `weights` replace all.

    Raises:
        ValueError: If the file's weights do not fit the network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = recipe.build_network()
    if recipe.pretrained is not None and not resumed:
        load_pretrained(network, Path(recipe.pretrained), head="replace")
    if weights is not None:
        network.load_state_dict(weights)
    return network


def optimiser_of(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over the network's weights."""
    return make_optimiser(
        recipe.optimiser,
        weight_groups(network, recipe.layer_decay),
        recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
    )


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on from a state; the rates of the layers and PyTorch's way of computing stay."""
    kept = ("scale", "fused")
    own: list[dict[str, Any]] = [
        {key: value for key, value in group.items() if key in kept}
        for group in optimiser.param_groups
    ]
    optimiser.load_state_dict(state)
    for group, mine in zip(optimiser.param_groups, own, strict=True):
        group.update(mine)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then the recipe's schedule; steps count from 0."""
    return scheduled_rate(recipe.schedule, recipe.learning_rate, recipe.warmup, recipe.steps, step)


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def weight_groups(network: nn.Module, layer_decay: float) -> list[dict[str, Any]]:
    """The weights for an optimiser, with "scale", the share of the learning rate they take.

    The last layer takes all of it, each one before it `layer_decay` of the next one's. A layer
    ends where the first part of the names that holds a digit changes; norms go with what is
    before them.
    """
    if layer_decay == 1:
        return [{"params": list(network.parameters()), "scale": 1.0}]
    layers = _layers(network.named_parameters())
    return [
        {"params": layer, "scale": layer_decay ** (len(layers) - 1 - depth)}
        for depth, layer in enumerate(layers)
    ]


def _layers(weights: Iterable[tuple[str, Tensor]]) -> list[list[Tensor]]:
    blocks: dict[str, list[Tensor]] = {}
    for name, weight in weights:
        blocks.setdefault(_block(name), []).append(weight)
    layers: list[list[Tensor]] = []
    for block in blocks.values():
        if layers and all(weight.ndim < 2 for weight in block):
            layers[-1] += block
        else:
            layers.append(block)
    return layers


def _block(name: str) -> str:
    parts = name.split(".")
    for end, part in enumerate(parts[:-1], 1):
        if any(character.isdigit() for character in part):
            return ".".join(parts[:end])
    return ".".join(parts[:-1])


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """√(Σ g²) over all of them; 0 of none."""
    if not all(gradient.device.type == "cpu" for gradient in gradients):
        return nn.utils.get_total_norm(gradients)
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.tensor(0.0)


class Average:
    """Moves averaged weights after trained ones; buffers that are no fractions are copied."""

    def __init__(self, averaged: nn.Module, trained: nn.Module, ema: float) -> None:
        self._ema = ema
        states = averaged.state_dict(), trained.state_dict()
        pairs = [(states[0][key], value) for key, value in states[1].items()]
        rising = [pair for pair in pairs if pair[1].is_floating_point()]
        self._averaged, self._trained = [a for a, _ in rising], [b for _, b in rising]
        self._copied = [pair for pair in pairs if not pair[1].is_floating_point()]

    def follow(self, step: int) -> None:
        """One step, faster at the very start."""
        keep = min(self._ema, step / (step + 10))
        torch._foreach_lerp_(self._averaged, self._trained, 1 - keep)
        for averaged, trained in self._copied:
            averaged.copy_(trained)

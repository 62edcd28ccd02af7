"""Autoencoders of one page that differ in one setting alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from flows.denoising.data import DenoiseRun
from flows.denoising.entrants import Restorer
from flows.denoising.judge import PORTION
from nowcast.models import Autoencoder
from nowcast.recipes import Recipe
from nowcast.report.classes.words import grouped
from nowcast.report.wording import number
from pipeline.batch import Batch

Setting = Literal["stacked", "tied", "sparse", "contractive"]
OPTIONS: Mapping[Setting, tuple[str, ...]] = {
    "tied": ("tied",),
    "sparse": ("sparsity", "sparsity_weight", "sparsity_target"),
    "contractive": ("contraction",),
}
SURE = 1.96  # standard errors each way of an interval of 95 %
INTERVAL = "95 % interval of these two trainings"


@dataclass(frozen=True)
class Side:
    """A trained autoencoder, where it was trained, and the images to judge it on.

    Args:
        run: Its recipe, its folder and what trained it.
        restorer: The network.
        network: The same.
        clean: Test images (N, C, H, W), 0 to 255.
    """

    run: DenoiseRun
    restorer: Restorer
    network: Autoencoder
    clean: Tensor = field(repr=False)

    @property
    def name(self) -> str:
        """How the page calls it."""
        return self.restorer.trained.facts.shown

    @property
    def folder(self) -> Path:
        """Of its run."""
        return self.run.images.folder

    @property
    def parameters(self) -> int:
        """Number of its weights."""
        return sum(weights.numel() for weights in self.network.parameters())

    @property
    def settings(self) -> dict[Setting, bool]:
        """Which of the settings it was trained with."""
        network = self.network
        return {
            "stacked": self.run.recipe.greedy_epochs > 0,
            "tied": network.tied,
            "sparse": network.sparsity != "none",
            "contractive": network.contraction > 0,
        }

    def rest(self, setting: Setting) -> Recipe:
        """What must be alike to tell what a setting does: the recipe but for it and the name.

        Where layers were trained one by one, how many passes the whole had after them does not
        count.
        """
        recipe = replace(self.run.recipe, name="")
        if setting == "stacked":
            return replace(recipe, greedy_epochs=0.0, epochs=None)
        options = recipe.network_options.items()
        kept = {name: value for name, value in options if name not in OPTIONS[setting]}
        return replace(recipe, network_options=kept)

    def batches(self) -> Iterator[Tensor]:
        """The images as the network sees them."""
        for part in torch.split(self.clean, PORTION):
            yield self.restorer.task.pose(Batch(part)).inputs

    @cached_property
    def errors(self) -> Tensor:
        """(N,) mean squared error of each image, pixels 0 to 255."""
        return self.errors_of(self.network)

    @torch.no_grad()
    def errors_of(self, network: Autoencoder) -> Tensor:
        """The same of a network like its own."""
        scaling = self.restorer.task.scaling
        made = torch.cat([scaling.decode(network(inputs)) for inputs in self.batches()])
        return (made.clamp(0, 255) - self.clean).square().flatten(1).mean(1)


@dataclass(frozen=True)
class Pair:
    """One with a setting and one without, alike in all else.

    Args:
        with_it: That which has it.
        without: That which has not.
    """

    with_it: Side
    without: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both, that with the setting first."""
        return self.with_it, self.without

    def verdict(self) -> str:
        """What the setting does to the error of the test images, in a sentence."""
        one, other = self.with_it.errors.double(), self.without.errors.double()
        apart = one - other
        mean = float(apart.mean())
        reach = SURE * float(apart.std()) / math.sqrt(len(apart))
        told = (
            f"Mean squared error of {grouped(len(one))} test images, pixels 0 to 255: "
            f"{number(float(one.mean()), 1)} with it, {number(float(other.mean()), 1)} without; "
        )
        if not abs(mean) > reach:
            ends = f"{number(mean - reach, 1)} to {number(mean + reach, 1)}"
            return f"{told}these images cannot tell them apart ({ends}, {INTERVAL})."
        ends = f"{number(abs(mean) - reach, 1)} to {number(abs(mean) + reach, 1)}"
        word = "more" if mean > 0 else "less"
        return f"{told}{number(abs(mean), 1)} {word} ({ends}, {INTERVAL})."


def sides_of(
    runs: Sequence[DenoiseRun], restorers: Sequence[Restorer], clean: Tensor
) -> list[Side]:
    """Those of the networks that are dense autoencoders, left on the CPU."""
    held = [(run, each, each.trained.network) for run, each in zip(runs, restorers, strict=True)]
    return [
        Side(run, each, network.cpu().eval(), clean)
        for run, each, network in held
        if isinstance(network, Autoencoder)
    ]


def pairs_of(sides: Sequence[Side]) -> Mapping[Setting, Pair]:
    """Setting → the first two networks that differ in it alone."""
    pairs: dict[Setting, Pair] = {}
    for one in sides:
        for other in sides:
            apart = [name for name, held in one.settings.items() if held != other.settings[name]]
            if len(apart) != 1 or not one.settings[apart[0]]:
                continue
            if one.rest(apart[0]) == other.rest(apart[0]):
                pairs.setdefault(apart[0], Pair(one, other))
    return pairs

"""The state of a run and the two things done with it: a step and a validation."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nowcast.checkpoint import Provenance
from nowcast.recipes import Recipe
from nowcast.tasks import Example
from nowcast.training.batch_norm import share_batch_norms
from nowcast.training.ranks import added, added_numbers
from pipeline.batch import Batch


@dataclass
class Run:
    """A network in training, the average of its weights, and how far it is."""

    recipe: Recipe
    fabric: Fabric
    raw: nn.Module
    averaged: nn.Module
    network: nn.Module
    optimizer: torch.optim.Optimizer
    provenance: Provenance | None = None
    step: int = 0
    best_loss: float = math.inf
    clock: float = field(default_factory=time.perf_counter)

    @classmethod
    def start(cls, recipe: Recipe, fabric: Fabric, provenance: Provenance | None = None) -> Self:
        """The run before its first step, its weights drawn by the recipe's seed.

        Raises:
            ValueError: If there are more processes than samples in a batch.
        """
        if fabric.world_size > recipe.batch_size:
            raise ValueError(
                f"{recipe.name}: expected at most a process for each of the {recipe.batch_size} "
                f"samples of a batch, found {fabric.world_size}; start fewer"
            )
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            raw = recipe.build_network()
        if fabric.world_size > 1:
            raw = share_batch_norms(raw)
        raw = raw.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        averaged = copy.deepcopy(raw).eval().requires_grad_(requires_grad=False)
        optimizer = torch.optim.AdamW(
            raw.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        network, wrapped = fabric.setup(raw, optimizer)
        return cls(recipe, fabric, raw, averaged, network, wrapped, provenance)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser, and its line of the log.

        Raises:
            FloatingPointError: If the gradient is not finite; the weights are left as they were.
        """
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        example = self.pose(self.share(batch))
        output = self.network(example.inputs).float()
        loss = self.recipe.task.loss(output, example)
        sums = added(self.recipe.task.scores(output.detach(), example), self.fabric)
        known = torch.where(sums["weight"] > 0, sums["weight"], 1)
        mean = float(sums["loss"] / known)
        self.optimizer.zero_grad()
        # processes have means of unequal weight, and their gradients are averaged
        share = self.fabric.world_size * example.weight.sum() / known
        self.fabric.backward(loss * share.to(loss.dtype))
        norm = self._clip(mean)
        self.optimizer.step()
        self.step += 1
        self._average()
        return self._record(rate, mean, norm, sums)

    def pose(self, batch: Batch) -> Example:
        """The batch as an example on the device."""
        label = None if batch.label is None else batch.label.to(self.fabric.device)
        example = self.recipe.task.pose(Batch(batch.frames.to(self.fabric.device), label))
        return example._replace(inputs=example.inputs.contiguous(memory_format=torch.channels_last))

    def share(self, batch: Batch) -> Batch:
        """This process's samples of a batch that all processes drew alike."""
        mine = slice(self.fabric.global_rank, None, self.fabric.world_size)
        return Batch(batch.frames[mine], None if batch.label is None else batch.label[mine])

    def _clip(self, loss: float) -> float:
        norm = nn.utils.clip_grad_norm_(self.raw.parameters(), self.recipe.clip)
        if not math.isfinite(norm):
            raise FloatingPointError(
                f"{self.recipe.name}, step {self.step}: expected a finite gradient, found norm "
                f"{float(norm)} at loss {loss}; look for infinities in the data "
                "or lower the learning rate"
            )
        return float(norm)

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards the trained ones, faster at the very start."""
        keep = min(self.recipe.ema, self.step / (self.step + 10))
        averaged, trained = self.averaged.state_dict(), self.raw.state_dict()
        rising = [key for key, value in trained.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [averaged[key] for key in rising], [trained[key] for key in rising], 1 - keep
        )
        for key in trained.keys() - set(rising):
            averaged[key].copy_(trained[key])

    def _record(
        self, rate: float, loss: float, norm: float, scores: Mapping[str, Tensor]
    ) -> dict[str, float]:
        now = time.perf_counter()
        seconds, self.clock = now - self.clock, now
        record = {
            "step": self.step,
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "samples_per_second": self.recipe.batch_size / seconds,
        }
        return {**record, **over_persistence(scores)}

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The sums of the averaged weights' scores over all batches, which the processes share.

        Raises:
            ValueError: If nothing is known in any of them.
        """
        sums: dict[str, float] = {}
        mine = islice(batches, self.fabric.global_rank, None, self.fabric.world_size)
        for example in map(self.pose, mine):
            with self.fabric.autocast():
                output = self.averaged(example.inputs).float()
            for key, value in self.recipe.task.scores(output, example).items():
                sums[key] = sums.get(key, 0.0) + float(value)
        sums = added_numbers(sums, self.fabric)
        if not sums.get("weight"):
            raise ValueError(
                f"{self.recipe.name}: nothing is known in the validation samples; "
                "choose periods in which there are frames"
            )
        self.clock = time.perf_counter()
        return sums

    def state(self) -> dict[str, Any]:
        """What the run needs to go on."""
        return {
            "step": self.step,
            "best_loss": self.best_loss,
            "network": self.raw.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.step, self.best_loss = state["step"], state["best_loss"]
        self.raw.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to 0; steps count from 0."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (1 + math.cos(math.pi * done)) / 2


def over_persistence(sums: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Loss ÷ persistence loss, where a task has one that is not 0."""
    persistence = float(sums.get("persistence_loss", 0))
    if persistence == 0:
        return {}
    return {"loss_over_persistence": float(sums["loss"]) / persistence}

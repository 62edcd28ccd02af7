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
from nowcast.training.best import Best
from nowcast.training.metrics import accuracy, over_persistence
from nowcast.training.penalties import Penalties
from nowcast.training.ranks import added, added_numbers, seed_chance
from nowcast.training.weights import (
    Average,
    Freezing,
    first_weights,
    learning_rate,
    optimiser_of,
    restore_optimiser,
    total_norm,
)
from pipeline.batch import Batch


@dataclass
class Run:
    """A network in training, the average of its weights, and how far it is.

    Without an average the averaged network is the trained one itself.
    """

    recipe: Recipe
    fabric: Fabric
    raw: nn.Module
    averaged: nn.Module
    network: nn.Module
    optimizer: torch.optim.Optimizer
    freezing: Freezing
    provenance: Provenance | None = None
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    clock: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        own = self.averaged is self.raw
        self._average = None if own else Average(self.averaged, self.raw, self.recipe.ema)
        self.best = Best(self.recipe)
        self._weights = list(self.raw.parameters())
        self._penalties = Penalties(self.raw)
        self._changes = self.freezing.changes
        self._resume_training()

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        fabric: Fabric,
        provenance: Provenance | None = None,
        *,
        weights: Mapping[str, Tensor] | None = None,
        resumed: bool = False,
    ) -> Self:
        """The run before its first step, its weights drawn by the recipe's seed or pretrained.

        Args:
            recipe: What to train, and how.
            fabric: Where to compute.
            provenance: What the batches are made from.
            weights: By name, in place of drawn or pretrained ones.
            resumed: Whether `restore` follows, so that pretrained weights need not be read.

        Raises:
            ValueError: If there are more processes than samples in a batch, the recipe freezes
                what is not there, or its pretrained weights do not fit.
        """
        if fabric.world_size > recipe.batch_size:
            raise ValueError(
                f"{recipe.name}: expected at most a process for each of the {recipe.batch_size} "
                f"samples of a batch, found {fabric.world_size}; start fewer"
            )
        raw = first_weights(recipe, weights, resumed=resumed)
        if fabric.world_size > 1:
            raw = share_batch_norms(raw)
        raw = raw.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        averaged = raw
        if recipe.ema:
            averaged = copy.deepcopy(raw).eval().requires_grad_(requires_grad=False)
        freezing = Freezing.of(recipe, raw)
        freezing.apply(raw, 0, shared=fabric.world_size > 1)
        optimizer = optimiser_of(recipe, raw)
        network, wrapped = fabric.setup(raw, optimizer)
        return cls(recipe, fabric, raw, averaged, network, wrapped, freezing, provenance)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser, and its line of the log.

        Raises:
            FloatingPointError: If the gradient is not finite; the weights are left as they were.
        """
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        if self.step in self._changes:
            self._resume_training()
        seed_chance(self.recipe.seed, self.step, self.fabric)
        example = self.pose(self.share(batch))
        output = self._answer(example.inputs).float()
        loss = self.recipe.task.loss(output, example)
        own = self._penalties.beside(self.recipe.task.scores(output.detach(), example))
        sums = {name: float(value) for name, value in added(own, self.fabric).items()}
        mean = sums["loss"] / (sums["weight"] or 1)
        for weight in self._weights:
            weight.grad = None
        self._backward(self._penalties.added_to(loss), own["weight"], sums["weight"])
        norm = self._clip(mean)
        self.optimizer.step()
        self.step += 1
        if self._average:
            self._average.follow(self.step)
        self._add(sums)
        return self._record(rate, mean, norm, sums, len(batch.frames))

    def _answer(self, inputs: Tensor) -> Tensor:
        """The network's output; Fabric's wrapper is needed only to share it."""
        output: Tensor
        if self.fabric.world_size > 1:
            output = self.network(inputs)
        else:
            with self.fabric.autocast():
                output = self.raw(inputs)
        return output

    def _backward(self, loss: Tensor, own: Tensor, every: float) -> None:
        """Gradients of the mean over all processes' weights; what they found is averaged."""
        world = self.fabric.world_size
        if world > 1:
            loss = loss * (world * own / (every or 1)).to(loss.dtype)
        self.fabric.backward(loss)
        if world > 1 and self._changes:
            self.freezing.forget(self.raw, self.step)

    def _resume_training(self) -> None:
        """Training mode, but for what is frozen at the next step."""
        self.network.train()
        if self._changes:
            self.freezing.apply(self.raw, self.step, shared=self.fabric.world_size > 1)

    def _add(self, sums: Mapping[str, float]) -> None:
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def pose(self, batch: Batch) -> Example:
        """The batch as an example on the device."""
        example = self.recipe.task.pose(batch.map(lambda part: part.to(self.fabric.device)))
        return example._replace(inputs=example.inputs.contiguous(memory_format=torch.channels_last))

    def share(self, batch: Batch) -> Batch:
        """This process's samples of a batch that all processes drew alike."""
        if self.fabric.world_size == 1:
            return batch
        mine = slice(self.fabric.global_rank, None, self.fabric.world_size)
        return batch.map(lambda part: part[mine])

    def _clip(self, loss: float) -> float:
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        total = total_norm(gradients)
        norm = float(total)
        if not math.isfinite(norm):
            raise FloatingPointError(
                f"{self.recipe.name}, step {self.step}: expected a finite gradient, found norm "
                f"{norm} at loss {loss}; look for infinities in the data or lower the rate"
            )
        if self.recipe.clip is not None:
            nn.utils.clip_grads_with_norm_(self._weights, self.recipe.clip, total)
        return norm

    def _record(
        self, rate: float, loss: float, norm: float, sums: Mapping[str, float], samples: int
    ) -> dict[str, float]:
        now = time.perf_counter()
        seconds, self.clock = now - self.clock, now
        record = {
            "step": self.step,
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "samples_per_second": samples / seconds,
        }
        if "correct" in sums:
            record["accuracy"] = accuracy(sums)
        return {**record, **over_persistence(sums)}

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The sums of the averaged weights' scores over all batches, which the processes share.

        Raises:
            ValueError: If nothing is known in any of them.
        """
        self.averaged.eval()
        sums, penalties = dict[str, float](), Penalties(self.averaged)
        mine = islice(batches, self.fabric.global_rank, None, self.fabric.world_size)
        for example in map(self.pose, mine):
            with self.fabric.autocast():
                output = self.averaged(example.inputs).float()
            scores = penalties.beside(self.recipe.task.scores(output, example))
            for key, value in scores.items():
                sums[key] = sums.get(key, 0.0) + float(value)
        sums = added_numbers(sums, self.fabric)
        if self.averaged is self.raw:
            self._resume_training()
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
            "best_loss": self.best.figure,
            "stale": self.best.stale,
            "sums": self.sums,
            "network": self.raw.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.step, self.sums = state["step"], dict(state.get("sums", {}))
        self.best = Best(self.recipe, state["best_loss"], state.get("stale", 0))
        self.raw.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        restore_optimiser(self.optimizer, state["optimizer"])
        self._resume_training()

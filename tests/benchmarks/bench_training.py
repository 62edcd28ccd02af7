"""A training step of fit() against the same step written out bare: at most 3 % more.

The fastest steps are compared, because they are least disturbed by what else the machine does.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from nowcast.recipes import RECIPES, Recipe
from nowcast.training import fit, make_fabric
from pipeline.batch import NO_ECHO, Batch

STEPS, ROUNDS, MOST = 8, 6, 1.03


class Repeated:
    """One batch of noise, over and over, and the moments at which it was asked for."""

    def __init__(self, recipe: Recipe) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (recipe.batch_size, 5, recipe.crop, recipe.crop)
        dbz = 60 * torch.rand(shape, generator=generator) - 20
        self.held = Batch(torch.where(dbz > 5, dbz, NO_ECHO))
        self.asked: list[float] = []

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        for _ in range(start, stop):
            self.asked.append(time.perf_counter())
            yield self.held
        self.asked.append(time.perf_counter())

    def sweep(self) -> Iterator[Batch]:
        yield Batch(self.held.frames[:1])

    def seconds(self) -> list[float]:
        """Of each step but the first and, with its validation, the last."""
        return [b - a for a, b in zip(self.asked[1:-2], self.asked[2:-1], strict=True)]


def bare(recipe: Recipe, batches: Repeated) -> None:
    """The same arithmetic without log, averaged weights, checks and checkpoints."""
    fabric = make_fabric(recipe, "cpu")
    torch.manual_seed(0)
    network = recipe.build_network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, weight_decay=recipe.weight_decay)
    for batch in batches.stream(0, STEPS):
        example = recipe.task.pose(batch)
        inputs = example.inputs.contiguous(memory_format=torch.channels_last)
        with fabric.autocast():
            output = network(inputs).float()
        loss = recipe.task.loss(output, example)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()


@pytest.mark.filterwarnings("ignore:.*of persistence's")
@pytest.mark.parametrize("name", ["unet", "convlstm"])
def test_a_step_of_fit_costs_little_more_than_a_bare_one(
    name: str, tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    recipe = replace(RECIPES[name], steps=STEPS, validate_every=STEPS)
    folders = (tmp_path / str(number) for number in count())
    seconds: dict[str, list[float]] = {"fit": [], "bare": []}

    def both() -> None:
        ours, theirs = Repeated(recipe), Repeated(recipe)
        bare(recipe, theirs)
        fabric = make_fabric(recipe, "cpu")
        fit(recipe, ours, ours, next(folders), fabric, progress=lambda *_: None)
        seconds["bare"] += theirs.seconds()
        seconds["fit"] += ours.seconds()

    benchmark.pedantic(both, rounds=ROUNDS)
    ratio = min(seconds["fit"]) / min(seconds["bare"])
    benchmark.extra_info["ratio"] = ratio
    benchmark.extra_info["samples_per_second"] = recipe.batch_size / min(seconds["fit"])
    assert ratio < MOST, f"a step of fit() takes {ratio:.3f} times the bare step"

"""A training step of fit() against the same step written out bare: at most 3 % more.

The two take turns, on one thread and by the processor's clock, so that what else the machine does
disturbs neither.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from nowcast.recipes import RECIPES, Recipe
from nowcast.training import fit, make_fabric
from pipeline.batch import NO_ECHO, Batch

STEPS, MOST = 25, 1.03

torch.set_num_threads(1)
torch.set_flush_denormal(True)


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
            self.asked.append(time.process_time())
            yield self.held

    def sweep(self) -> Iterator[Batch]:
        yield Batch(self.held.frames[:1])


def bare_step(recipe: Recipe, batch: Batch) -> Callable[[], None]:
    """The same arithmetic without log, scores, averaged weights, checks and checkpoints."""
    fabric = make_fabric(recipe, "cpu")
    torch.manual_seed(0)
    network = recipe.build_network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, weight_decay=recipe.weight_decay)

    def step() -> None:
        example = recipe.task.pose(batch)
        inputs = example.inputs.contiguous(memory_format=torch.channels_last)
        with fabric.autocast():
            output = network(inputs).float()
        loss = recipe.task.loss(output, example)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()

    return step


@pytest.mark.filterwarnings("ignore:.*of persistence's")
@pytest.mark.parametrize("name", ["unet", "convlstm"])
def test_a_step_of_fit_costs_little_more_than_a_bare_one(
    name: str, tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    recipe = replace(RECIPES[name], steps=STEPS, validate_every=STEPS)
    ours, theirs = Repeated(recipe), []
    step = bare_step(recipe, ours.held)

    def take_turns(*_: object) -> None:
        start = time.process_time()
        step()
        theirs.append(time.process_time() - start)

    def train() -> None:
        fit(recipe, ours, ours, tmp_path, make_fabric(recipe, "cpu"), progress=take_turns)

    benchmark.pedantic(train, rounds=1)
    both = [after - before for before, after in zip(ours.asked, ours.asked[1:], strict=False)]
    pairs = list(zip(both, theirs, strict=False))[2:]
    ratio = median((whole - bare) / bare for whole, bare in pairs)
    benchmark.extra_info["ratio"] = ratio
    assert ratio < MOST, f"a step of fit() takes {ratio:.3f} times the bare step"

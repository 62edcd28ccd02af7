"""Images a second: a step of `fit` and the loader beside the plainest PyTorch loop.

Both train the same network on the same batches with the same optimiser on one thread; they take
turns, and of each the fastest round counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.recipes import find_recipe
from nowcast.training import make_fabric
from nowcast.training.run import Run
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet

STEPS, ROUNDS = 60, 5
RECIPE = "vgg-small"

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    loader = ImageLoader(ImageSet.open("fashion_mnist").split("train"), 32)
    return list(loader.stream(0, STEPS))


def _fastest(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name].append(time.process_time() - begun)
    return {name: min(taken) for name, taken in seconds.items()}


def _ours(batches: list[Batch]) -> Callable[[], object]:
    recipe = find_recipe(RECIPE).for_data(STEPS)
    run = Run.start(recipe, make_fabric(recipe, "cpu"))
    return lambda: [run.train_step(batch) for batch in batches]


def _plain(batches: list[Batch]) -> Callable[[], object]:
    """As a course writes it: images scaled, forward, loss, backward, step; the loss added up."""
    recipe = find_recipe(RECIPE)
    fabric = make_fabric(recipe, "cpu")
    network = recipe.build_network().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adagrad(network.parameters(), lr=recipe.learning_rate)
    network.train()

    def step(images: Tensor, labels: Tensor) -> float:
        with fabric.autocast():
            loss = F.cross_entropy(network(images / 255).float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return lambda: [step(b.frames, b.label) for b in batches if b.label is not None]


def test_a_step_of_fit_costs_at_most_three_percent_more_than_a_plain_one(
    benchmark: Any, batches: list[Batch]
) -> None:
    works = {"fit": _ours(batches), "plain": _plain(batches)}
    _fastest(works)
    taken = _fastest(works)
    benchmark.pedantic(works["fit"], rounds=1)
    images = {name: 32 * STEPS / seconds for name, seconds in taken.items()}
    ratio = taken["fit"] / taken["plain"]
    told = ", ".join(f"{name} {speed:,.0f} images/s" for name, speed in images.items())
    benchmark.extra_info |= images | {"ratio": ratio}
    sys.stderr.write(f"\n{told}: {ratio:.3f} × the plain loop\n")
    assert ratio <= 1.03


@pytest.mark.parametrize("batch_size", [32, 128])
def test_the_loader_is_no_bottleneck(benchmark: Any, batch_size: int) -> None:
    split = ImageSet.open("fashion_mnist").split("train")
    loader = ImageLoader(split, batch_size)
    count = loader.steps_per_epoch
    taken = _fastest({"epoch": lambda: [None for _ in loader.stream(0, count)]})
    benchmark.pedantic(lambda: list(loader.stream(0, 20)), rounds=1)
    speed = len(loader) / taken["epoch"]
    benchmark.extra_info["images a second"] = speed
    sys.stderr.write(f"\nbatches of {batch_size}: {speed:,.0f} images/s\n")
    assert speed > 50_000

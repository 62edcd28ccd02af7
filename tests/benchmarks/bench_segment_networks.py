"""What naming each pixel by its own window costs, against the same weights on the whole picture.

Both ways take turns on one thread and by the processor's clock; of each the fastest round counts.
Multiply-adds are counted from the shapes of the layers, so that both ratios stand side by side.
"""

import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import pytest
import torch

from nowcast.models import SlidingWindow
from nowcast.recipes.segmentation import SEGMENTATION
from pipeline.batch import Batch

GRID, ROUNDS, STEPS = 48, 2, 4
RECIPES = {recipe.name: recipe for recipe in SEGMENTATION if recipe.name != "unet-paper"}

torch.set_num_threads(1)
torch.set_flush_denormal(True)


def _fastest(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name].append(time.process_time() - begun)
    return {name: min(taken) for name, taken in seconds.items()}


@pytest.mark.parametrize(("side", "width"), [(23, 32), (65, 24), (95, 48)])
@torch.no_grad()
def test_one_pass_over_the_picture_is_many_times_faster_than_its_windows(
    benchmark: Any, side: int, width: int
) -> None:
    torch.manual_seed(0)
    network = SlidingWindow(1, 2, side=side, width=width).eval()
    grid = GRID if side < 95 else GRID // 3
    frames = torch.rand(1, 1, grid, grid)
    dense = network.dense()
    torch.testing.assert_close(dense(frames), network.by_windows(frames), rtol=1e-3, atol=1e-4)
    taken = _fastest(
        {"windows": lambda: network.by_windows(frames), "dense": lambda: dense(frames)}
    )
    benchmark.pedantic(lambda: dense(frames), rounds=1)
    work = network.redundant_work(grid, grid)
    counted = sum(layer.windows for layer in work) / sum(layer.dense for layer in work)
    measured = taken["windows"] / taken["dense"]
    large = network.redundant_work(512, 512)
    whole = sum(layer.windows for layer in large) / sum(layer.dense for layer in large)
    benchmark.extra_info |= {"counted": counted, "measured": measured, "counted at 512": whole}
    sys.stderr.write(
        f"\nwindows of {side} on {grid} × {grid}: {counted:.1f} × the multiply-adds, "
        f"{measured:.1f} × the seconds of one pass (on 512 × 512 {whole:.1f} × by count)\n"
    )
    assert measured > 1


@pytest.mark.parametrize("name", RECIPES)
def test_the_steps_of_a_recipe_end_within_half_an_hour(benchmark: Any, name: str) -> None:
    from nowcast.training import make_fabric
    from nowcast.training.run import Run

    recipe = RECIPES[name]
    run = Run.start(recipe, make_fabric(recipe, "cpu"))
    shape = (recipe.batch_size, recipe.crop, recipe.crop)
    frames = 255 * torch.rand(shape[0], recipe.task.inputs, *shape[1:])
    batch = Batch(frames, torch.randint(0, 2, shape), torch.rand(shape))
    seconds = []
    for _ in range(STEPS):
        begun = time.process_time()
        run.train_step(batch)
        seconds.append(time.process_time() - begun)
    benchmark.pedantic(lambda: run.train_step(batch), rounds=1)
    each = median(seconds[1:])
    minutes = each * recipe.steps / 60
    benchmark.extra_info |= {"crops a second": recipe.batch_size / each, "minutes": minutes}
    sys.stderr.write(
        f"\n{name}: {recipe.batch_size / each:,.1f} crops of {recipe.crop} pixels a second, "
        f"{minutes:.0f} minutes of {recipe.steps} steps on one core\n"
    )
    assert minutes < 27

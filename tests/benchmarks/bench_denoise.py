"""Images a second: the U-Net that takes noise out, untrained, beside the classic methods.

All get the same noisy images on one thread; they take turns, and of each the fastest round counts.
How well each restores them is no matter here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nowcast.denoisers import CLASSIC, Denoiser, NetworkDenoiser
from nowcast.recipes import find_recipe
from nowcast.tasks import DenoiseTask
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet
from pipeline.noise import noise_of
from pipeline.noisy import NoisyBatches

RECIPE, LEVEL, IMAGES, ROUNDS = "denoise-unet", 0.3, 200, 3
FEWER = {"bm3d": 4}

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def noisy() -> Tensor:
    clean = ImageSet.open("fashion_mnist").split("test").read(range(IMAGES))
    noise = noise_of({"kind": "gaussian", "level": LEVEL})
    return noise(clean, np.random.default_rng(0))


def _network() -> NetworkDenoiser:
    recipe = find_recipe(RECIPE)
    assert isinstance(recipe.task, DenoiseTask)
    return NetworkDenoiser(recipe.build_network(), recipe.task)


def _fastest(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name].append(time.process_time() - begun)
    return {name: min(taken) for name, taken in seconds.items()}


def test_the_network_is_faster_than_non_local_means_and_wavelets(
    benchmark: Any, noisy: Tensor
) -> None:
    methods: dict[str, Denoiser] = {RECIPE: _network()}
    for name, classic in CLASSIC.items():
        if classic.available and name != "nothing":
            grid = classic.grid(LEVEL)
            methods[name] = classic.with_(grid[len(grid) // 2])
    counts = {name: FEWER.get(name, IMAGES) for name in methods}
    works = {
        name: lambda method=method, count=counts[name]: method.denoise(noisy[:count])
        for name, method in methods.items()
    }
    taken = _fastest(works)
    benchmark.pedantic(works[RECIPE], rounds=1)
    speeds = {name: counts[name] / seconds for name, seconds in taken.items()}
    benchmark.extra_info |= speeds
    told = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    sys.stderr.write(f"\nimages/s: {told}\n")
    assert speeds[RECIPE] > max(speeds["nlm"], speeds["wavelet"])


def test_making_noise_is_no_bottleneck_of_training(benchmark: Any) -> None:
    recipe = find_recipe(RECIPE).for_images(10, 1)
    images = ImageSet.open("fashion_mnist")
    loader = ImageLoader(images.split("train"), recipe.batch_size)
    noisy = NoisyBatches(loader, noise_of(recipe.noise))
    list(noisy.stream(0, 2))
    taken = _fastest({"stream": lambda: [None for _ in noisy.stream(0, 50)]})
    benchmark.pedantic(lambda: list(noisy.stream(0, 10)), rounds=1)
    speed = 50 * recipe.batch_size / taken["stream"]
    benchmark.extra_info["images a second"] = speed
    sys.stderr.write(f"\nnoisy batches: {speed:,.0f} images/s\n")
    assert speed > 10_000

"""A small stack of layers, and small images to train it on."""

from collections.abc import Iterator

import torch

from nowcast.recipes import Recipe
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask
from pipeline.batch import Batch

STACK = Recipe(
    "stack",
    DenoiseTask(scaling=MinMax(0, 255)),
    "autoencoder",
    {"size": 4, "widths": (9, 6, 3), "activation": "tanh"},
    batch_size=8,
    crop=4,
    epochs=2,
    greedy_epochs=4,
    learning_rate=0.02,
    warmup=0,
    ema=0.0,
    precision="32-true",
)


class Pictures:
    """Three noisy batches an epoch of images, 0 to 255, of two numbers each."""

    steps_per_epoch = 3

    def batch(self, n: int) -> Batch:
        dice = torch.Generator().manual_seed(n)
        across, down = torch.rand(2, 8, 1, 1, 1, generator=dice)
        steps = torch.linspace(0, 1, 4)
        clean = 127 * (across * steps + down * steps[:, None])
        return Batch(clean + 20 * torch.randn(clean.shape, generator=dice), clean)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        return map(self.batch, range(start, stop))

    def sweep(self) -> Iterator[Batch]:
        return map(self.batch, (1000, 1001))

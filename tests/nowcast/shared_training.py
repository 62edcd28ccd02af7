"""A short training of each task, for `torchrun` or alone: FOLDER [last step] [--resume]."""

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nowcast.recipes import Recipe
from nowcast.tasks import ClassifyTask, DenoiseTask, NowcastTask, SegmentTask, Task
from nowcast.training import fit, make_fabric
from pipeline.batch import NO_ECHO, Batch

BATCH, SIDE, STEPS = 5, 16, 7
TASKS: Mapping[str, Task] = {
    "nowcast": NowcastTask(coordinates="fixed"),
    "classify": ClassifyTask(2),
    "denoise": DenoiseTask(),
    "segment": SegmentTask(2),
    "transfer": ClassifyTask(2, label_smoothing=0.1, class_weights=(1.0, 2.0)),
}
TRANSFER: Mapping[str, Any] = {
    "optimiser": "sgd",
    "momentum": 0.9,
    "nesterov": True,
    "schedule": "linear",
    "learning_rate": 0.02,
    "clip": None,
    "ema": 0.0,
    "unfreeze": {"levels.0": 0.5},
    "layer_decay": 0.5,
}


def recipe_of(name: str) -> Recipe:
    """Batch normalisation, and samples that do not divide evenly."""
    recipe = Recipe(
        name,
        TASKS[name],
        "convnet" if name in ("classify", "transfer") else "unet",
        {"widths": (6, 8), "norm": "batch"},
        batch_size=BATCH,
        crop=SIDE,
        steps=STEPS,
        learning_rate=2e-3,
        warmup=2,
        ema=0.5,
        validate_every=3,
        precision="32-true",
    )
    return replace(recipe, **TRANSFER) if name == "transfer" else recipe


@dataclass(frozen=True)
class Blobs:
    """Showers, much of the first sample missing; as images, with where they are as label."""

    task: str

    def batch(self, n: int, size: int = BATCH) -> Batch:
        """Batch n."""
        generator = torch.Generator().manual_seed(n)
        centre = SIDE * torch.rand(size, 1, 1, 1, 2, generator=generator)
        t = torch.arange(5.0)[:, None, None]
        y, x = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
        dbz = 48 - ((y - centre[..., 0]) ** 2 + (x - t - centre[..., 1]) ** 2) / 2
        frames = torch.where(dbz > 10, dbz, NO_ECHO)
        if self.task == "nowcast":
            frames[0, :, :, : SIDE // 2] = torch.nan
            return Batch(frames)
        images, inside = (frames[:, :1] / 48).clamp(0, 1), (frames[:, 0] > 10).long()
        if self.task == "denoise":
            return Batch(images + 0.3 * torch.randn(images.shape, generator=generator), images)
        return Batch(images, inside if self.task == "segment" else inside.amax((1, 2)))

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1."""
        return map(self.batch, range(start, stop))

    def sweep(self) -> Iterator[Batch]:
        """Three batches, the last a single sample."""
        return iter([self.batch(1000), self.batch(1001), self.batch(1002, size=1)])


def train_all(folder: Path, last: int = STEPS, *, resume: bool = False) -> None:
    """Train every task; asked to stop after step `last` if that is not the end."""

    def stop(step: int, _: object) -> None:
        if step == last < STEPS and os.environ.get("RANK", "0") == "0":
            signal.raise_signal(signal.SIGTERM)

    for name in TASKS:
        recipe, blobs = recipe_of(name), Blobs(name)
        fabric = make_fabric(recipe, "cpu")
        with warnings.catch_warnings(), suppress(SystemExit):
            warnings.filterwarnings("ignore", message=".*of persistence's")
            fit(recipe, blobs, blobs, folder / name, fabric, resume, stop)


if __name__ == "__main__":
    torch.set_num_threads(1)
    words = [word for word in sys.argv[1:] if word != "--resume"]
    train_all(Path(words[0]), *map(int, words[1:]), resume="--resume" in sys.argv)

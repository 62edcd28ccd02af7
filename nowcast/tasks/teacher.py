"""A trained network whose answers another one learns."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.batch import Batch

if TYPE_CHECKING:
    from nowcast.checkpoint import Checkpoint


@torch.no_grad()
def teach(path: str, batch: Batch, classes: int) -> Tensor:
    """The logits (B, classes, …) of the checkpoint's network for the images of a batch.

    Raises:
        ValueError: If the file is no checkpoint, or its network does not name as many classes.
    """
    from nowcast.tasks.classes import ClassifyTask

    checkpoint = _loaded(path, str(batch.frames.device))
    task = checkpoint.task
    if not isinstance(task, ClassifyTask) or task.classes != classes:
        raise ValueError(
            f"{path}: expected a teacher that names {classes} classes, found "
            f"{type(task).__name__} of {task.outputs} outputs"
        )
    inputs = task.pose(batch).inputs.contiguous(memory_format=torch.channels_last)
    return task.logits(checkpoint.network(inputs)).float()


@lru_cache(maxsize=2)
def _loaded(path: str, device: str) -> Checkpoint:
    from nowcast.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(Path(path))
    checkpoint.network.to(device)
    return checkpoint

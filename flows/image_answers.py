"""What a trained classifier says of test images, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nowcast.evaluation import ClassTally
from nowcast.tasks import ClassifyTask
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader


def multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Of one image forward: half of what PyTorch counts as floating-point operations."""
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros(1, *shape))
    return int(counter.get_total_flops()) // 2


def judge(
    network: nn.Module, task: ClassifyTask, loader: ImageLoader, fabric: Fabric
) -> tuple[ClassTally, dict[str, NDArray[Any]]]:
    """The tally of all test images, and what the network said of each."""
    tally, parts = ClassTally(task.classes), list[dict[str, NDArray[Any]]]()
    for logits, label, index in _answers(network, task, loader, fabric):
        tally.update(logits, label, index)
        shares = _shares(logits, task.classes)
        probability, predicted = shares.max(1)
        parts.append(
            {
                "index": index.numpy(),
                "label": label.numpy(),
                "predicted": predicted.numpy(),
                "probability": probability.numpy(),
            }
        )
    names = ("index", "label", "predicted", "probability")
    return tally, {name: np.concatenate([part[name] for part in parts]) for name in names}


@torch.inference_mode()
def _answers(
    network: nn.Module, task: ClassifyTask, loader: ImageLoader, fabric: Fabric
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    network.to(fabric.device).eval()
    done = 0
    for batch in loader.sweep():
        example = task.pose(Batch(batch.frames.to(fabric.device), batch.label))
        with fabric.autocast():
            logits = network(example.inputs).float().cpu()
        label = batch.label
        if label is None:
            raise ValueError(f"{loader.split.name}: expected labelled images, found none")
        index = torch.from_numpy(loader.indices[done : done + len(label)])
        done += len(label)
        yield logits, label, index


def _shares(logits: Tensor, classes: int) -> Tensor:
    """(B, K) probabilities; a single logit is that of the second of two classes."""
    if logits.ndim == 1 or logits.shape[1] < classes:
        second = logits.reshape(-1).sigmoid()
        return torch.stack([1 - second, second], 1)
    return logits.softmax(1)

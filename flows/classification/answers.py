"""A classifier of images, trained, and what it says of test images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from flows.images.runs import ImageRun, train_recipe
from nowcast.evaluation import ClassTally
from nowcast.report.classes.facts import RunFacts
from nowcast.tasks import ClassifyTask
from nowcast.training import Progress
from pipeline.batch import Batch
from pipeline.image_loader import ImageLoader


@dataclass(frozen=True)
class Evaluated:
    """A trained network and what it did on the test images.

    Args:
        facts: For the page.
        network: On the CPU, in evaluation mode.
        task: What it was trained for.
        test: The test images.
        predictions: Columns, a row a test image.
        device: What it was trained on.
    """

    facts: RunFacts
    network: nn.Module
    task: ClassifyTask
    test: ImageLoader
    predictions: Mapping[str, NDArray[Any]] = field(repr=False)
    device: str = "cpu"

    def row(self) -> dict[str, Any]:
        """The numbers by which runs are compared."""
        facts = self.facts
        low, high = facts.tally.interval()
        return {
            "recipe": facts.name,
            "accuracy": facts.tally.accuracy(),
            "accuracy_low": low,
            "accuracy_high": high,
            "parameters": facts.parameters,
            "trained_parameters": facts.trained_parameters,
            "multiply_adds": facts.multiply_adds,
            "epochs": facts.epochs,
            "seconds": facts.seconds_training,
            "images_per_second": facts.images_per_second,
            "device": self.device,
        }


def evaluate(run: ImageRun, resume: bool, progress: Progress | None) -> Evaluated:
    """Train a classifier, then try the best checkpoint on the test images.

    Raises:
        ValueError: As `fit` does.
    """
    told = run.provenance()
    made = train_recipe(run.recipe, run.train, run.validation, run.folder, resume, progress, told)
    if not isinstance(made.task, ClassifyTask):
        raise TypeError(f"{run.folder}: expected a network trained for ClassifyTask")
    begun = time.perf_counter()
    tally, predictions = judge(made.network, made.task, run.test, made.fabric)
    seconds = time.perf_counter() - begun
    facts = RunFacts(
        **{entry.name: getattr(made.facts, entry.name) for entry in fields(made.facts)},
        tally=tally,
        images_per_second_inference=len(run.test) / seconds,
        correct=predictions["label"] == predictions["predicted"],
    )
    return Evaluated(facts, made.network.cpu(), made.task, run.test, predictions, made.device)


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

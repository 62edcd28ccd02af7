"""Runs of a classification that never was."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nowcast.evaluation import ClassTally, tally_classes
from nowcast.report.classes.facts import ClassFacts, Curve, Curves, DataFacts, Figure, RunFacts
from nowcast.report.classes.pictures import image_uri

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt")


def make_run(
    name: str = "vgg-small",
    classes: int = 7,
    count: int = 900,
    lean: float = 4.0,
    seed: int = 0,
    **known: Any,
) -> RunFacts:
    """Logits lean to the label; the last class is often taken for the first."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % classes
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), label] += lean
    logits[label == classes - 1, 0] += 0.9 * lean
    scores = torch.from_numpy(2 * logits)
    places = (scores, torch.from_numpy(label), torch.arange(count))
    right = scores.argmax(1).numpy() == label
    known = {"correct": right, "curves": make_curves(), **known}
    return RunFacts(name, tally_classes([places], classes), **known)


def make_curves(epochs: int = 20) -> Curves:
    at = tuple(float(epoch) for epoch in range(1, epochs + 1))
    falling = tuple(1 / epoch for epoch in at)
    return Curves(
        Curve(at, falling),
        Curve(at, tuple(0.3 + value for value in falling)),
        Curve(at, tuple(1 - 0.3 * value for value in falling)),
        Curve(at, tuple(0.9 - 0.3 * value for value in falling)),
        Curve(at, (0.01,) * epochs),
    )


def make_data(classes: int = 7, test: int = 900) -> DataFacts:
    names = (*NAMES, *(f"class {n}" for n in range(len(NAMES), classes)))[:classes]
    return DataFacts(
        "Fashion-MNIST", names, "28 × 28 pixels, grey", 54_000, 6_000, test, licence="MIT"
    )


def make_facts(run: RunFacts | None = None, *others: RunFacts, **known: Any) -> ClassFacts:
    """The page of a run with pictures of noise."""
    run = run or make_run()
    rng = np.random.default_rng(1)
    judged = (*run.tally.mistakes, *run.tally.least_sure)
    images = {image.index: rng.integers(0, 256, (1, 28, 28)) for image in judged}
    inside = (
        Figure("First filters", image_uri(images[judged[0].index]), "16 filters", "Dark is 0.")
        if judged
        else Figure("First filters", image_uri(np.zeros((8, 8))), "16 filters", "Dark is 0.")
    )
    data = make_data(run.tally.classes, run.tally.images)
    known = {"images": images, "inside": (inside,), **known}
    return ClassFacts(f"{run.shown} on Fashion-MNIST", data, run, others, **known)


def empty_run() -> RunFacts:
    """A run without a single test image."""
    return RunFacts("vgg-small", ClassTally(7))


def run_of(counts: np.ndarray, sure: float = 3.0) -> RunFacts:
    """Images of these labels and predictions, all as sure."""
    pairs = [
        (n, m) for n, row in enumerate(counts) for m, times in enumerate(row) for _ in range(times)
    ]
    label, taken = torch.tensor(pairs).T
    logits = sure * torch.nn.functional.one_hot(taken, len(counts)).double()
    return RunFacts(
        "vgg-small", tally_classes([(logits, label, torch.arange(len(label)))], len(counts))
    )

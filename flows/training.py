"""From a store to tensor sets, and from tensor sets to a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nowcast.recipes import Recipe
from nowcast.tasks import NowcastTask
from nowcast.training import Progress, fit, make_fabric
from pipeline.loader import WindowLoader
from pipeline.tensors import TensorSet


def train_network(
    tensors: Sequence[Path],
    recipe: Recipe,
    run_dir: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train a network on the windows of one or more tensor sets; its best checkpoint.

    Raises:
        ValueError: If the sets do not agree with each other or with the recipe.
    """
    sets = [TensorSet.open(path) for path in tensors]
    if isinstance(recipe.task, NowcastTask):
        cadences = sorted({tensor_set.manifest.cadence_minutes for tensor_set in sets})
        if len(cadences) != 1:
            raise ValueError(f"tensor sets: expected one cadence, found {cadences} minutes")
        recipe = replace(recipe, task=replace(recipe.task, cadence_minutes=cadences[0]))
    common = {"batch_size": recipe.batch_size, "crop": recipe.crop, "seed": recipe.seed}
    train = WindowLoader(sets, "train", augment=recipe.augment, **common)
    validation = WindowLoader(sets, "validation", augment=False, **common)
    return fit(recipe, train, validation, run_dir, make_fabric(recipe), resume, progress)

"""From a store to a tensor set, and from tensor sets to a trained network."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.forecasting import PAST
from nowcast.recipes import Recipe
from nowcast.tasks import NowcastTask
from nowcast.training import Progress, fit, is_first_process, make_fabric
from pipeline.changes import changed_frames
from pipeline.loader import WindowLoader
from pipeline.places import Address
from pipeline.store import Store
from pipeline.tensors import TensorSet, build_tensors
from pipeline.windows import FRACTIONS, Splits, WindowRule, split_periods, usual_guard

LARGEST_TEST = 0.5
ISSUE_TIMES = 12
# a wider view of the few validation windows tells the better weights more surely
VALIDATION_CROPS = 4


def train_network(
    tensors: Sequence[Path],
    recipe: Recipe,
    run_dir: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train a network on the windows of one or more tensor sets; its best checkpoint.

    Warns about a set whose frames were revised, added or cleared in its store since.

    Raises:
        ValueError: If the sets do not agree with each other or with the recipe, or the run to be
            resumed was on other data.
    """
    sets = [TensorSet.open(path) for path in tensors]
    for tensor_set in sets:
        if is_first_process():
            warn_if_outdated(tensor_set)
    if isinstance(recipe.task, NowcastTask):
        cadences = sorted({tensor_set.manifest.cadence_minutes for tensor_set in sets})
        if len(cadences) != 1:
            raise ValueError(f"tensor sets: expected one cadence, found {cadences} minutes")
        recipe = replace(recipe, task=replace(recipe.task, cadence_minutes=cadences[0]))
    train, validation = _loaders(sets, recipe)
    fabric = make_fabric(recipe)
    return fit(recipe, train, validation, run_dir, fabric, resume, progress, provenance_of(sets))


def _loaders(sets: Sequence[TensorSet], recipe: Recipe) -> tuple[WindowLoader, WindowLoader]:
    """What trains, and what chooses the best weights."""
    train = WindowLoader(
        sets,
        "train",
        batch_size=recipe.batch_size,
        crop=recipe.crop,
        seed=recipe.seed,
        augment=recipe.augment,
    )
    largest = max(max(tensors.manifest.height, tensors.manifest.width) for tensors in sets)
    validation = WindowLoader(
        sets,
        "validation",
        batch_size=max(recipe.batch_size // VALIDATION_CROPS**2, 1),
        crop=min(VALIDATION_CROPS * recipe.crop, largest),
        augment=False,
    )
    return train, validation


def provenance_of(sets: Sequence[TensorSet]) -> dict[str, Any]:
    """What a run on these sets names of them, as JSON; equal sets have one fingerprint."""
    contents = "\n".join(tensors.manifest.content() for tensors in sets)
    return {
        "fingerprint": hashlib.sha256(contents.encode()).hexdigest()[:32],
        "tensor_sets": [tensors.manifest.provenance() for tensors in sets],
    }


def warn_if_outdated(tensors: TensorSet) -> None:
    """Warn if frames within the set's period are others in its store by now.

    A store that cannot be opened is no reason to warn.
    """
    manifest = tensors.manifest
    try:
        changed = changed_frames(tensors, Store.open(manifest.store))
    except (OSError, ValueError, ImportError):
        return
    if changed:
        warnings.warn(
            f"{tensors.path}: the tensor set is outdated, {changed} frames from "
            f"{manifest.period.start:%Y-%m-%d %H:%M} to {manifest.period.end:%Y-%m-%d %H:%M} "
            "were revised, added or cleared since it was built; build it anew with "
            f"`nowcast tensors {manifest.store} --out {tensors.path}`",
            stacklevel=3,
        )


def build_event_tensors(
    address: Address,
    out: Path,
    lead_steps: int,
    progress: Callable[[int, int], None] | None = None,
) -> TensorSet:
    """A tensor set whose test period is long enough to verify forecasts of `lead_steps` frames.

    Where the usual split leaves too few issue times, as in a record of one event, up to
    LARGEST_TEST of the frames go to the test.
    """
    store = Store.open(address)
    return build_tensors(store, out, splits=_event_splits(store, lead_steps), progress=progress)


def _event_splits(store: Store, lead_steps: int) -> Splits | None:
    times, observed = store.times, store.observed
    wanted = (PAST + lead_steps + ISSUE_TIMES) / observed.sum()
    if wanted <= FRACTIONS[2]:
        return None
    test = min(wanted, LARGEST_TEST)
    fractions = (0.75 * (1 - test), 0.25 * (1 - test), test)
    guard = usual_guard(times[observed])
    return split_periods(times, observed, WindowRule(), fractions, guard=guard)

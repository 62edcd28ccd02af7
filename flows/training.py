"""From a store to a tensor set, and from tensor sets to a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.forecasting import PAST
from nowcast.recipes import Recipe
from nowcast.tasks import NowcastTask
from nowcast.training import Progress, fit, make_fabric
from pipeline.loader import WindowLoader
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

    Raises:
        ValueError: If the sets do not agree with each other or with the recipe.
    """
    sets = [TensorSet.open(path) for path in tensors]
    if isinstance(recipe.task, NowcastTask):
        cadences = sorted({tensor_set.manifest.cadence_minutes for tensor_set in sets})
        if len(cadences) != 1:
            raise ValueError(f"tensor sets: expected one cadence, found {cadences} minutes")
        recipe = replace(recipe, task=replace(recipe.task, cadence_minutes=cadences[0]))
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
    return fit(recipe, train, validation, run_dir, make_fabric(recipe), resume, progress)


def build_event_tensors(store_path: Path, out: Path, lead_steps: int) -> TensorSet:
    """A tensor set whose test period is long enough to verify forecasts of `lead_steps` frames.

    Where the usual split leaves too few issue times, as in a record of one event, up to
    LARGEST_TEST of the frames go to the test.
    """
    store = Store.open(store_path)
    return build_tensors(store, out, splits=_event_splits(store, lead_steps))


def _event_splits(store: Store, lead_steps: int) -> Splits | None:
    times, observed = store.times, store.observed
    wanted = (PAST + lead_steps + ISSUE_TIMES) / observed.sum()
    if wanted <= FRACTIONS[2]:
        return None
    test = min(wanted, LARGEST_TEST)
    fractions = (0.75 * (1 - test), 0.25 * (1 - test), test)
    guard = usual_guard(times[observed])
    return split_periods(times, observed, WindowRule(), fractions, guard=guard)

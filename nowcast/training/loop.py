"""From batches to the best checkpoint."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path
from types import GeneratorType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from nowcast.checkpoint import Provenance, load_state, save_checkpoint, save_state
from nowcast.recipes import Recipe
from nowcast.training.metrics import MetricsLog, over_persistence
from nowcast.training.progress import progress_bar
from nowcast.training.run import Run
from nowcast.training.signals import StopRequest, held_signals, stop_by
from nowcast.training.weights import learning_rate
from pipeline.batch import Batch, Batches

Progress = Callable[[int, Mapping[str, float]], None]

BEST, LAST, METRICS = "best.safetensors", "last.pt", "metrics.jsonl"
STUCK = 0.98


def fit(
    recipe: Recipe,
    train: Batches,
    validation: Batches,
    run_dir: Path,
    fabric: Fabric,
    resume: bool = False,
    progress: Progress | None = None,
    provenance: Provenance | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train by the recipe and return the best checkpoint.

    The run's folder holds the averaged weights of least validation loss, the state from which a
    cut run goes on exactly, and a log with every step. SIGTERM and SIGINT end the run after the
    step at hand, its state saved. Several processes share every batch and end where one would;
    the first alone writes. A recipe that counts epochs takes the `steps_per_epoch` of the training
    batches, where they have one.

    Args:
        recipe: What to train, and how.
        train: Batches of the recipe's size.
        validation: Samples that choose the best weights.
        run_dir: Made if absent; holds one run.
        fabric: Where and in which precision to compute, e.g. `make_fabric(recipe)`.
        resume: Whether to go on with the run in the folder, if there is one.
        progress: Called after each step with its number and its line of the log; by default a
            bar if stderr is a terminal.
        provenance: What the batches are made from, as JSON, for the checkpoint; a run goes on
            only where its "fingerprint" is the same.
        weights: By name, with which the network begins in place of drawn or pretrained ones; a
            run that goes on has its own.

    Raises:
        ValueError: If the folder holds a run that is not to be resumed, one of another recipe or
            one on other data, or nothing is known in the validation samples.
        FloatingPointError: If a gradient is not finite, before it reaches the weights.
    """
    recipe = _counted(recipe, train)
    state = None
    if fabric.is_global_zero:
        state = _state_in(run_dir, recipe, resume, provenance)
    state = fabric.broadcast(state)
    run = Run.start(recipe, fabric, provenance, weights=weights, resumed=state is not None)
    if state is not None:
        run.restore(state)
    with ExitStack() as stack:
        stop = stack.enter_context(held_signals())
        stack.enter_context(torch.random.fork_rng())
        log = stack.enter_context(_log_of(run, run_dir))
        if progress is None and fabric.is_global_zero and sys.stderr.isatty():
            progress = stack.enter_context(progress_bar(recipe.name, recipe.steps))
        batches = stack.enter_context(_closed(train.stream(run.step, recipe.steps)))
        for batch in takewhile(lambda _: not run.best.exhausted, batches):
            record = run.train_step(batch)
            log(record)
            if progress:
                progress(run.step, record)
            due = run.step % recipe.validate_every == 0 or run.step == recipe.steps
            if due:
                _validate(run, validation, run_dir, log)
            asked = _asked(stop, fabric)
            if due or asked:
                _save(run, run_dir)
            if asked:
                stop_by(stop.signal or signal.SIGTERM)
    return run_dir / BEST


def _counted(recipe: Recipe, train: Batches) -> Recipe:
    """The recipe with the steps of its epochs, where the batches know how many one has."""
    steps_per_epoch = getattr(train, "steps_per_epoch", None)
    return recipe if steps_per_epoch is None else recipe.for_data(steps_per_epoch)


def _state_in(
    run_dir: Path, recipe: Recipe, resume: bool, provenance: Provenance | None
) -> dict[str, Any] | None:
    """Where the run of a folder is; None if it is yet to begin."""
    if not resume and any((run_dir / name).exists() for name in (BEST, LAST, METRICS)):
        raise ValueError(f"{run_dir}: holds a run already; resume it or take another folder")
    last = run_dir / LAST
    return load_state(last, recipe, provenance) if last.exists() else None


def _validate(
    run: Run, validation: Batches, run_dir: Path, log: Callable[[Mapping[str, object]], None]
) -> None:
    """Score the averaged weights, keep them if they are the best so far, warn if none learned."""
    sums = run.validate(validation.sweep())
    ratio = over_persistence(sums)
    log({"step": run.step, **_progress(run), "validation": sums, "train": run.sums, **ratio})
    run.sums = {}
    if run.best.improves(sums) and run.fabric.is_global_zero:
        save_checkpoint(run_dir / BEST, run.averaged, run.recipe, run.step, sums, run.provenance)
    if run.best.exhausted:
        log({"step": run.step, "stopped": f"no better validation for {run.best.stale} times"})
    if run.step == run.recipe.steps and min(ratio.values(), default=0) > STUCK:
        warning = (
            f"{run.recipe.name}: the validation loss is still {ratio['loss_over_persistence']:.3f} "
            "of persistence's; train longer or with another learning rate"
        )
        log({"step": run.step, "warning": warning})
        if run.fabric.is_global_zero:
            warnings.warn(warning, stacklevel=3)


def _progress(run: Run) -> dict[str, float]:
    """The epochs so far, where the recipe counts them, and the last step's learning rate."""
    recipe = run.recipe
    epoch = {"epoch": run.step * recipe.epochs / recipe.steps} if recipe.epochs else {}
    return {**epoch, "learning_rate": learning_rate(recipe, run.step - 1)}


def _save(run: Run, run_dir: Path) -> None:
    if run.fabric.is_global_zero:
        save_state(run_dir / LAST, run.recipe, run.state(), run.provenance)
    run.fabric.barrier()


def _asked(stop: StopRequest, fabric: Fabric) -> bool:
    """Whether any process was asked to stop."""
    if fabric.world_size == 1:
        return stop.signal is not None
    asked = torch.tensor(float(stop.signal is not None), device=fabric.device)
    return bool(fabric.all_reduce(asked, reduce_op="sum") > 0)  # type: ignore[operator]


@contextmanager
def _log_of(run: Run, run_dir: Path) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """The writer of the run's log; other processes than the first write nothing."""
    if not run.fabric.is_global_zero:
        yield lambda line: None  # noqa: ARG005
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    with MetricsLog(run_dir / METRICS, run.step) as log:
        yield log.write


@contextmanager
def _closed(batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    try:
        yield batches
    finally:
        if isinstance(batches, GeneratorType):
            batches.close()

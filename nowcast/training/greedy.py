"""Layer by layer before the whole: stacked autoencoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from nowcast.checkpoint import Provenance, load_checkpoint
from nowcast.models import Autoencoder
from nowcast.recipes import Recipe
from nowcast.scaling import Linear
from nowcast.tasks import DenoiseTask, Task
from nowcast.training.loop import METRICS, Progress, fit
from pipeline.batch import Batch, Batches

STACKED = "stacked.safetensors"


def fit_greedily(
    recipe: Recipe,
    train: Batches,
    validation: Batches,
    run_dir: Path,
    fabric: Fabric,
    resume: bool = False,
    progress: Progress | None = None,
    provenance: Provenance | None = None,
) -> Path:
    """Train as `fit` does, but where the recipe has `greedy_epochs` each layer first by itself.

    A layer is an autoencoder of what the layers before it answer to the clean images; the first
    one is trained as the whole will be, on noisy ones where there is noise. Penalties are those of
    the whole alone. The layers' runs lie in the folders "layer-1" … of the run's, their weights
    together in "stacked.safetensors", with which the whole begins.

    Args:
        recipe: What to train, and how.
        train: Batches of the recipe's size.
        validation: Samples that choose the best weights, of each layer too.
        run_dir: Made if absent; holds one run.
        fabric: Where and in which precision to compute.
        resume: Whether to go on with the run in the folder, at whatever layer it is.
        progress: As of `fit`; every layer counts its steps from 1.
        provenance: As of `fit`.

    Raises:
        ValueError: As `fit` does; or if the network has no layers to train by themselves, or is
            to begin with weights of a file.
    """
    if not recipe.greedy_epochs:
        return fit(recipe, train, validation, run_dir, fabric, resume, progress, provenance)
    if not resume and (run_dir / METRICS).exists():
        raise ValueError(f"{run_dir}: holds a run already; resume it or take another folder")
    whole = _stack_of(recipe)
    layers: list[Autoencoder] = []
    for number in range(len(whole.widths)):
        part = layer_recipe(recipe, whole, number)
        sides: list[Batches] = [train, validation]
        if number:
            sides = [_Codes(batches, recipe.task, layers, fabric) for batches in sides]
        folder = run_dir / f"layer-{number + 1}"
        best = fit(part, sides[0], sides[1], folder, fabric, resume, progress, provenance)
        trained = load_checkpoint(best).network.to(fabric.device)
        if isinstance(trained, Autoencoder):
            layers.append(trained)
            whole.take_layer(number, trained)
    if fabric.is_global_zero:
        save_file(whole.state_dict(), run_dir / STACKED)
    fabric.barrier()
    begun = whole.state_dict()
    return fit(recipe, train, validation, run_dir, fabric, resume, progress, provenance, begun)


def layer_recipe(recipe: Recipe, whole: Autoencoder, number: int) -> Recipe:
    """The recipe of one layer, counted from 0, of a stack."""
    task = recipe.task
    if number:
        task = DenoiseTask(channels=whole.widths[number - 1], scaling=Linear(1.0))
    return replace(
        recipe,
        name=f"{recipe.name}-layer-{number + 1}",
        task=task,
        network_options=whole.layer_options(number),
        epochs=recipe.greedy_epochs,
        greedy_epochs=0.0,
        noise={} if number else recipe.noise,
        freeze=(),
        unfreeze={},
    )


def _stack_of(recipe: Recipe) -> Autoencoder:
    """The recipe's network, if it has layers that can be trained by themselves."""
    if recipe.pretrained is not None:
        raise ValueError(
            f"recipe {recipe.name!r}: expected no pretrained weights to train layer by layer, "
            f"found {recipe.pretrained}; set greedy_epochs to 0 to begin with them"
        )
    with torch.random.fork_rng(devices=[]):
        whole = recipe.build_network()
    if isinstance(whole, Autoencoder):
        return whole
    raise ValueError(
        f"recipe {recipe.name!r}: expected network 'autoencoder' to train layer by layer, found "
        f"{recipe.network!r}; set greedy_epochs to 0"
    )


class _Codes:
    """What layers answer to the clean images of batches, as images of one pixel."""

    def __init__(
        self, batches: Batches, task: Task, layers: Sequence[Autoencoder], fabric: Fabric
    ) -> None:
        self._batches, self._task, self._layers = batches, task, tuple(layers)
        self._fabric = fabric

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches that hold every image once; None where the images' batches do not know."""
        return getattr(self._batches, "steps_per_epoch", None)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches start … stop − 1 of an endless supply, in order."""
        return map(self._coded, self._batches.stream(start, stop))

    def sweep(self) -> Iterator[Batch]:
        """Every image once, in order, unchanged."""
        return map(self._coded, self._batches.sweep())

    @torch.no_grad()
    def _coded(self, batch: Batch) -> Batch:
        clean = batch.frames if batch.label is None else batch.label
        values = self._task.pose(Batch(clean.to(self._fabric.device))).inputs
        for layer in self._layers:
            values = layer.encode(values)[:, :, None, None]
        return Batch(values)

"""What training layer by layer before the whole does to a stacked autoencoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from flows.denoising.pairs import Pair, Side
from nowcast.report.classes.curves import read_curves
from nowcast.report.denoise.effects import Panel
from nowcast.report.training_facts import Curve
from nowcast.report.wording import number
from nowcast.training import METRICS, read_metrics
from nowcast.training.greedy import STACKED

PIECES = 6  # averages of the loss a pass
GAP = 0.01  # passes, in which no loss is drawn
PASSES = "passes over the training images"


def stacked_panels(pair: Pair) -> tuple[list[Panel], str]:
    """Losses with it and without by passes, those of single layers among them; how to read them."""
    one = pair.with_it
    folders = [one.folder / f"layer-{n + 1}" for n in range(len(one.network.widths))]
    at: list[float] = []
    losses: list[float] = []
    greedy = 0.0
    for curve in (_course(one, folder) for folder in folders):
        moved, values = _moved(curve, greedy)
        greedy += _end(curve)
        at += [*moved, greedy + GAP]
        losses += [*values, math.nan]
    panels = [
        Panel("Single layers, one by one", PASSES, {one.name: (at[:-1], losses[:-1])}, powers=True),
        Panel("Training loss of the whole", PASSES, _whole(pair, greedy), powers=True),
        Panel(
            "Validation loss of the whole",
            PASSES,
            _whole(pair, greedy, validation=True),
            powers=True,
        ),
    ]
    return panels, _told(pair, greedy)


def _told(pair: Pair, greedy: float) -> str:
    one, other = pair.sides
    begun = copy.deepcopy(one.network)
    begun.load_state_dict(load_file(one.folder / STACKED))
    before = float(one.errors_of(begun).mean())
    whole, plain = (_end(_course(side, side.folder)) for side in pair.sides)
    return (
        f"{one.name} trained its {len(one.network.widths)} layers one after the other, each to "
        f"reproduce what the layers before it answer, in {greedy:g} passes together, and then the "
        f"whole in {whole:g}; {other.name} trained the whole in {plain:g}. A pass with one layer "
        f"costs less than one with all. Laid on each other, the layers err by {number(before, 1)} "
        f"before the whole is trained. {pair.verdict()}"
    )


def _whole(
    pair: Pair, start: float, *, validation: bool = False
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    one, other = pair.sides
    curves = [_course(side, side.folder, validation=validation) for side in pair.sides]
    return {one.name: _moved(curves[0], start), other.name: _moved(curves[1], 0)}


def _course(side: Side, folder: Path, *, validation: bool = False) -> Curve:
    """Loss by passes of the run in a folder."""
    per_pass = side.run.images.train.steps_per_epoch
    log = read_metrics(folder / METRICS)
    if validation:
        found = read_curves(log, per_pass).validation_loss
    else:
        steps = [line for line in log if "validation" not in line]
        found = read_curves(steps, per_pass / PIECES * (1 + 1e-9)).loss
    if found is None:
        raise ValueError(f"{folder}: expected the log of a training, found none; train again")
    every = 1 if validation else PIECES
    return Curve(tuple(passes / every for passes in found.epochs), found.values)


def _end(curve: Curve) -> float:
    """Passes of a whole run."""
    return round(curve.epochs[-1], 6)


def _moved(curve: Curve, start: float) -> tuple[Sequence[float], Sequence[float]]:
    return [round(start + passes, 4) for passes in curve.epochs], curve.values

"""What settings of autoencoders do, measured on test images with them and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flows.denoising.contraction import contraction_panels
from flows.denoising.data import DenoiseRun
from flows.denoising.entrants import Restorer
from flows.denoising.pairs import Pair, Setting, Side, pairs_of, sides_of
from flows.denoising.stacking import stacked_panels
from nowcast.explain.code_effects import (
    ACTIVE,
    MOST,
    layer_weights,
    pixels_that_count,
    unit_activity,
    weight_cosines,
)
from nowcast.explain.codes import codes_of
from nowcast.report.classes.words import grouped
from nowcast.report.denoise.effects import Panel, draw_filter_rows, effect_charts
from nowcast.report.lines import ChartGroup
from nowcast.report.styles import Style
from nowcast.report.training_facts import Figure
from nowcast.report.wording import number, percent

FILTERS = 14
RANKS = "units by rank, %"
TITLES: Mapping[Setting, str] = {
    "stacked": "Layer by layer before the whole",
    "tied": "Tied weights",
    "sparse": "Sparse code",
    "contractive": "Contractive code",
}


@dataclass(frozen=True)
class Effects:
    """What settings do.

    Args:
        charts: One group for each setting that a pair of networks tells of.
        figures: Their filters.
    """

    charts: tuple[ChartGroup, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class _Seen:
    panels: Sequence[Panel]
    note: str
    figures: tuple[Figure, ...] = ()


def effects_of(
    runs: Sequence[DenoiseRun],
    restorers: Sequence[Restorer],
    clean: Tensor,
    styles: Mapping[str, Style] | None = None,
) -> Effects:
    """What each setting does in which two of the autoencoders differ, and in nothing else.

    Args:
        runs: What was trained.
        restorers: The networks, in the same order; dense ones are left on the CPU.
        clean: Test images (N, C, H, W), 0 to 255.
        styles: Name of a network as the page calls it → how its lines look.
    """
    charts: list[ChartGroup] = []
    figures: list[Figure] = []
    for setting, pair in pairs_of(sides_of(runs, restorers, clean)).items():
        seen = SEEN[setting](pair)
        charts.append(effect_charts(TITLES[setting], seen.note, seen.panels, styles or {}))
        figures += seen.figures
    return Effects(tuple(charts), tuple(figures))


def _stacked(pair: Pair) -> _Seen:
    return _Seen(*stacked_panels(pair))


def _tied(pair: Pair) -> _Seen:
    layers = range(len(pair.with_it.network.widths))
    cosines = {
        side.name: [weight_cosines(side.network, layer) for layer in layers] for side in pair.sides
    }
    panels = [
        Panel(
            f"Cosine, layer {layer + 1} of {len(layers)}",
            RANKS,
            {name: _ranked(held[layer]) for name, held in cosines.items()},
        )
        for layer in layers
    ]
    counts = [grouped(side.parameters) for side in pair.sides]
    mean = round(float(torch.cat(cosines[pair.without.name]).mean()), 2) + 0.0
    note = (
        "Cosine between what a unit looks for, its row of the encoder, and what it draws, its "
        f"column of the decoder: 1 by construction where weights are tied, {number(mean, 2)} on "
        f"average without. Parameters: {counts[0]} with it, {counts[1]} without. {pair.verdict()}"
    )
    return _Seen(panels, note, (_both_ways(pair, "tied and not", _heaviest),))


def _sparse(pair: Pair) -> _Seen:
    found = [unit_activity(codes_of(side.network, side.batches())) for side in pair.sides]
    sizes = [pixels_that_count(layer_weights(side.network, 0)[1]) for side in pair.sides]
    rows = (
        ("Mean activation", [held.mean for held in found]),
        ("Images for which a unit is active, %", [100 * held.active for held in found]),
        (f"Pixels with {percent(MOST)} of what it draws, %", [100 * held for held in sizes]),
    )
    names = [side.name for side in pair.sides]
    panels = [
        Panel(heading, RANKS, dict(zip(names, map(_ranked, values), strict=True)))
        for heading, values in rows
    ]
    means = [number(float(held.mean.mean()), 2) for held in found]
    said = [percent(float(held.active.mean())) for held in found]
    wide = [percent(float(held.median())) for held in sizes]
    silent = [int((held.active == 0).sum()) for held in found]
    note = (
        f"Mean activation {means[0]} with it{_wanted(pair.with_it)}, {means[1]} without. A unit "
        f"is active where it answers more than {ACTIVE:g}: {said[0]} of all answers with it, "
        f"{said[1]} without; units that are never active: {silent[0]} and {silent[1]}. "
        f"The fewer pixels hold {percent(MOST)} of the squared weights that a unit draws with, the "
        f"more local it is: in the median {wide[0]} of all pixels with it, {wide[1]} without. "
        f"{pair.verdict()}"
    )
    return _Seen(panels, note, (_both_ways(pair, "sparse and not", _liveliest),))


def _wanted(side: Side) -> str:
    network = side.network
    return f", where {network.sparsity_target:g} is wanted" if network.sparsity == "kl" else ""


def _contractive(pair: Pair) -> _Seen:
    return _Seen(*contraction_panels(pair))


def _ranked(values: Tensor) -> tuple[Sequence[float], Sequence[float]]:
    """Values from the largest to the smallest by their rank, 0 to 100."""
    ranked: list[float] = values.sort(descending=True).values.tolist()
    return torch.linspace(0, 100, len(values)).tolist(), ranked


def _both_ways(pair: Pair, words: str, chosen: Callable[[Side], Tensor]) -> Figure:
    """What some units of the first layer look for and what they draw, with it and without."""
    rows = {}
    for side in pair.sides:
        units = chosen(side)
        ways = zip(("looks for", "draws"), layer_weights(side.network, 0), strict=True)
        for way, weights in ways:
            rows[f"{side.name}, {way}"] = weights[units].reshape(-1, *side.network.shape)
    return draw_filter_rows(
        f"What units look for and what they draw: {words}",
        f"{FILTERS} units of the first layer of each network, in columns: their weights from the "
        "image, and under them those back to the image. Each on a scale of its own.",
        rows,
    )


def _heaviest(side: Side) -> Tensor:
    """Units with the largest weights, in their order."""
    return _most(layer_weights(side.network, 0)[0].norm(dim=1))


def _liveliest(side: Side) -> Tensor:
    """Units that differ most from image to image, in their order."""
    return _most(codes_of(side.network, side.batches()).std(0))


def _most(values: Tensor) -> Tensor:
    return values.argsort(descending=True, stable=True)[:FILTERS].sort().values


SEEN: Mapping[Setting, Callable[[Pair], _Seen]] = {
    "stacked": _stacked,
    "tied": _tied,
    "sparse": _sparse,
    "contractive": _contractive,
}

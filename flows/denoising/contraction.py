"""What a penalty on the derivative of a code does."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from flows.denoising.figures import SLOPE_IMAGES, SLOPE_NUMBERS
from flows.denoising.pairs import Pair, Side
from nowcast.explain.code_effects import Steps, code_steps, nearest_images
from nowcast.explain.codes import jacobian_spectrum
from nowcast.report.denoise.effects import Panel
from nowcast.report.wording import number

STEP_IMAGES = 512
SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)  # of the way to the nearest image
LEAST = 1e-4  # of the largest singular value, from which one is drawn


def contraction_panels(pair: Pair) -> tuple[list[Panel], str]:
    """Singular values of the derivative, and how far codes move; how to read them."""
    steps = {side.name: _steps(side) for side in pair.sides}
    spectra = {side.name: _spectrum(side) for side in pair.sides if _is_small(side)}
    most = [float(held.along.max()) for held in steps.values()]
    along = {name: (SHARES, held.along.tolist()) for name, held in steps.items()}
    across = {name: (SHARES, held.across.tolist()) for name, held in steps.items()}
    length = "step, in ways to the nearest image"
    panels = [
        Panel("Code moves, towards the nearest image", length, along, holds=most),
        Panel("Code moves, in a direction of chance", length, across, holds=most),
    ]
    if spectra:
        ranks = {name: (range(1, len(held) + 1), held) for name, held in spectra.items()}
        panels.append(Panel("Singular values of the derivative", "rank", ranks, powers=True))
    return panels, f"{_moved(steps)}{_sloped(spectra)} {pair.verdict()}"


def _steps(side: Side) -> Steps:
    inputs = torch.cat(list(side.batches()))[:STEP_IMAGES]
    way = float((inputs - inputs[nearest_images(inputs)]).flatten(1).norm(dim=1).mean())
    return code_steps(side.network, inputs, [way * share for share in SHARES])


def _is_small(side: Side) -> bool:
    """Whether the derivative of the code is soon taken apart."""
    return side.network.widths[-1] * side.clean[0].numel() <= SLOPE_NUMBERS


def _spectrum(side: Side) -> Tensor:
    inputs = torch.cat(list(side.batches()))
    values = jacobian_spectrum(side.network, inputs[:: max(len(inputs) // SLOPE_IMAGES, 1)])
    return values[values >= LEAST * values[0]]


def _moved(steps: Mapping[str, Steps]) -> str:
    ends = [(float(held.along[0]), float(held.across[0])) for held in steps.values()]
    one, other = (
        f"{number(along, 2)} towards the nearest image and {number(across, 2)} in a direction of "
        f"chance, a ratio of {number(along / max(across, 1e-12), 1)}"
        for along, across in ends
    )
    return (
        "How far the code moves when the image takes a step, where 1 is as far for its length as "
        "between two images drawn by chance, so that a code which only shrinks gains nothing. "
        f"Shortest step, with it: {one}; without: {other}."
    )


def _sloped(spectra: Mapping[str, Tensor]) -> str:
    if not spectra:
        return ""
    first = [number(float(held[0]), 2) for held in spectra.values()]
    return (
        " Singular values of the code's derivative by the image, the largest first, mean over "
        f"test images: the first is {first[0]} with it, {first[1]} without."
    )

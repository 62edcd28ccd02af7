"""At which levels of which noise the methods of a denoising are judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.denoising.data import DenoiseRun, Denoising
from pipeline.noise import Noise

LEVELS = 5


def noise_to_judge(
    asked: Denoising, runs: Sequence[DenoiseRun]
) -> tuple[Noise | None, tuple[float, ...]]:
    """On which noise all methods are judged, and at which levels, rising.

    The noise is that of the first recipe that has one; the levels those asked for, or the level
    that all recipes share, or some over the range of all.

    Raises:
        ValueError: If a level is outside the sense of the noise, or there is no noise to have it.
    """
    noise = next((run.noise for run in runs if run.noise is not None), None)
    if noise is None:
        if asked.levels:
            raise ValueError(
                f"--level: expected noise that has a level, found recipe "
                f"{runs[0].recipe.name!r}, which has none; name it with --noise"
            )
        return None, ()
    held = [run.noise.level for run in runs if run.noise and run.noise.kind == noise.kind]
    levels = sorted({*asked.levels} or spread_levels(held))
    for level in levels:
        noise.at(level)
    return noise, tuple(levels)


def spread_levels(held: Sequence[tuple[float, float]]) -> set[float]:
    """Levels to judge at, of recipes' lowest and highest ones.

    Each that is the only one of a recipe, and some over the range of all, not next to those.
    """
    fixed = {low for low, high in held if low == high}
    least, most = min(low for low, _ in held), max(high for _, high in held)
    between = {float(f"{level:.2g}") for level in np.linspace(least, most, LEVELS)}
    apart = (most - least) / (2 * LEVELS)
    return fixed | {level for level in between if all(abs(level - one) >= apart for one in fixed)}


def main_level(levels: Sequence[float], first: Noise | None) -> float:
    """That of the first recipe if it has one level, else the middle one."""
    if first is not None and first.level[0] == first.level[1] and first.level[0] in levels:
        return first.level[0]
    return levels[len(levels) // 2]

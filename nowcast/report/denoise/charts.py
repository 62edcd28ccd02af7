"""A denoising in charts: by level of the noise and by cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.restoration import RestorationTally
from nowcast.report.axes import Axis
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, NoiseFacts
from nowcast.report.denoise.methods import best_rival, in_order, lead_of, method_styles
from nowcast.report.figures import MARKS, Canvas, Line, curve, readings
from nowcast.report.lines import Chart, ChartGroup, drawn, reach
from nowcast.report.styles import Style
from nowcast.report.wording import duration, number

Numbers = NDArray[np.float64]
Score = Callable[[RestorationTally], float]


def level_charts(facts: DenoiseFacts) -> ChartGroup | None:
    """PSNR and SSIM by level of the noise, and how far the networks are ahead."""
    noise = facts.noise
    known = [held for held in in_order(facts.methods) if len(held.by_level) > 1]
    if noise is None or not known:
        return None
    styles = method_styles(facts.methods)
    charts = [
        _by_level("PSNR, dB", _lines(known, styles, RestorationTally.psnr), noise),
        _by_level("SSIM", _lines(known, styles, RestorationTally.ssim), noise),
    ]
    ahead = _ahead(known, styles)
    if ahead:
        charts.append(_by_level("PSNR above the best classic method, dB", ahead, noise, zero=True))
    counts = {tally.images for held in known for tally in held.by_level.values()}
    few = " Some were judged on fewer of them, and differences are of those that both share."
    few = few if len(counts) > 1 else ""
    told = ""
    if noise.trained:
        low, high = noise.trained
        told = f" Networks were trained at {level_told(low, high)}, where the ground is tinted."
    return ChartGroup(
        "By level of the noise",
        f"Every method on the same test images, each tuned anew at every level.{few}{told}",
        tuple(charts),
        tuple(styles[held.name] for held in known),
    )


def level_told(low: float, high: float) -> str:
    """ "level 0.3", "levels from 0.05 to 0.5"."""
    return f"level {low:g}" if low == high else f"levels from {low:g} to {high:g}"


def _lines(methods: Sequence[MethodFacts], styles: dict[str, Style], score: Score) -> list[Line]:
    lines = []
    for held in methods:
        levels = np.array(sorted(held.by_level), np.float64)
        values = [score(held.by_level[level]) for level in sorted(held.by_level)]
        lines.append(Line(styles[held.name], levels, np.array(values, np.float64)))
    return lines


def lead_at(method: MethodFacts, others: Sequence[MethodFacts], level: float) -> float:
    """PSNR above the best classic method at a level, in dB; NaN if none was judged there."""
    rival = best_rival(method, others, level)
    return math.nan if rival is None else lead_of(method, rival, level)


def _ahead(methods: Sequence[MethodFacts], styles: dict[str, Style]) -> list[Line]:
    lines = []
    for held in methods:
        if held.kind == "network":
            levels = sorted(held.by_level)
            gaps = [lead_at(held, methods, at) for at in levels]
            if np.isfinite(gaps).any():
                lines.append(Line(styles[held.name], np.array(levels), np.array(gaps)))
    return lines


def _by_level(
    heading: str, lines: Sequence[Line], noise: NoiseFacts, *, zero: bool = False
) -> Chart:
    levels = np.unique(np.concatenate([line.x for line in lines]))
    values = reach(list(lines))
    known = values[np.isfinite(values)]
    if zero:
        y = Axis.round_zero(values)
    else:
        y = Axis.between(float(known.min()), float(known.max())) if known.size else Axis.of_shares()
    ticks = tuple((float(at), f"{at:g}") for at in levels[:: max(1, -(-len(levels) // 7))])
    canvas = Canvas(Axis(float(levels[0]), float(levels[-1]), ticks), y, noise.knob)
    every = [Line(line.style, levels, values_at(line, levels)) for line in lines]
    told = "; ".join(
        f"{line.style.title} {number(float(line.y[0]), 3)} to {number(float(line.y[-1]), 3)}"
        for line in lines
    )
    svg = canvas.picture(
        f"{heading} by level of the noise, from {levels[0]:g} to {levels[-1]:g}. {told}",
        _trained(canvas, noise),
        *(curve(canvas, line) for line in reversed(lines)),
        readings(canvas, every, [f"{noise.knob} {at:g}" for at in levels]),
    )
    return Chart(heading, drawn(svg))


def values_at(line: Line, places: Numbers) -> Numbers:
    """A line's values at places of its own and others, where it has none."""
    held = dict(zip(line.x.tolist(), line.y.tolist(), strict=True))
    return np.array([held.get(place, math.nan) for place in places.tolist()])


def _trained(canvas: Canvas, noise: NoiseFacts) -> str:
    if noise.trained is None:
        return ""
    left, right = (canvas.across(end) for end in noise.trained)
    left, right = min(left, right - 3), max(right, left + 3)
    return (
        f'<rect class="trained" x="{left:.1f}" y="{canvas.top}" width="{right - left:.1f}" '
        f'height="{canvas.side}"/>'
    )


def cost_chart(facts: DenoiseFacts) -> ChartGroup | None:
    """PSNR against the time of restoring; None of fewer than two methods."""
    styles = method_styles(facts.methods)
    known = [
        (styles[held.name], held.seconds_per_1000, held.tally.psnr())
        for held in in_order(facts.methods)
        if held.seconds_per_1000 and held.tally and held.tally.images
    ]
    if len(known) < 2:
        return None
    levels = [level for _, _, level in known]
    canvas = Canvas(
        Axis.of_powers(np.array([cost for _, cost, _ in known])),
        Axis.between(min(levels), max(levels)),
        "seconds for 1000 images",
    )
    points = [_point(canvas, *held) for held in known]
    told = "; ".join(
        f"{style.title} {number(level, 2)} dB in {duration(cost)}" for style, cost, level in known
    )
    svg = canvas.picture(f"PSNR against time. {told}", *points)
    return ChartGroup(
        "What it costs",
        "Up and left is best. All on the machine named below, networks in batches.",
        (Chart("PSNR, dB, by time", drawn(svg)),),
        tuple(style for style, _, _ in known),
    )


def _point(canvas: Canvas, style: Style, cost: float, level: float) -> str:
    tip = escape("\n".join((style.title, f"{number(level, 2)} dB", duration(cost))))
    spot = f"{canvas.across(cost):.1f} {canvas.down(level):.1f}"
    return (
        f'<path fill="{style.colour}" d="{MARKS[style.marker]}" '
        f'transform="translate({spot}) scale(1.3)"><title>{tip}</title></path>'
    )

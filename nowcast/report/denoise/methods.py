"""The methods of a denoising beside each other: their colours and their table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation.restoration import Gain, RestorationTally, compare_restored
from nowcast.report.classes.runs import COLOURS, RunCell
from nowcast.report.classes.words import grouped, multiply_adds, signed
from nowcast.report.denoise.facts import MethodFacts
from nowcast.report.styles import GREY, MARKERS, Style
from nowcast.report.tables import nearest_to
from nowcast.report.wording import UNDEFINED, duration, number

SOLID, BROKEN, DOTTED, NOISY = "", "6 3", "2 3", "5 4"
EMPTY = RunCell(UNDEFINED)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """What stands under a heading, a cell for each method."""

    heading: str
    small: str
    cells: tuple[RunCell, ...]


@dataclass(frozen=True)
class MethodRow:
    """One method."""

    style: Style
    what: str
    note: str
    cells: tuple[RunCell, ...]


def in_order(methods: Sequence[MethodFacts]) -> list[MethodFacts]:
    """The first, then the other networks, classic methods, nothing; each by falling PSNR."""
    kinds = ("network", "classic", "nothing")
    ranked = sorted(methods[1:], key=lambda held: (kinds.index(held.kind), -_rank(held)))
    return [*methods[:1], *ranked]


def _rank(method: MethodFacts) -> float:
    level = method.tally.psnr() if method.tally else math.nan
    return level if math.isfinite(level) else 0.0


def method_styles(methods: Sequence[MethodFacts]) -> dict[str, Style]:
    """Name → style, in the order of `in_order`: colours go to networks, then to the best rivals."""
    ordered = in_order(methods)
    trained = sum(held.kind == "network" for held in ordered)
    styles = {}
    for n, held in enumerate(ordered):
        colour, dash = GREY, DOTTED
        if held.kind == "nothing":
            dash = NOISY
        elif held.kind == "network":
            colour, dash = COLOURS[n % len(COLOURS)], SOLID if n < len(COLOURS) else DOTTED
        elif n < max(len(COLOURS), trained + 1):
            colour, dash = COLOURS[n % len(COLOURS)], BROKEN
        styles[held.name] = Style(held.name, held.shown, colour, MARKERS[n % len(MARKERS)], dash)
    return styles


def method_table(methods: Sequence[MethodFacts]) -> tuple[list[Column], list[MethodRow]]:
    """Columns in which anything is known, and a row for each method that was judged on images."""
    styles = method_styles(methods)
    ordered = [held for held in in_order(methods) if held.tally is not None]
    if not ordered:
        return [], []
    columns = [
        column
        for column in _columns(ordered)
        if any(cell.text != UNDEFINED for cell in column.cells)
    ]
    rows = [
        MethodRow(
            styles[held.name],
            _network(held),
            held.note,
            tuple(column.cells[n] for column in columns),
        )
        for n, held in enumerate(ordered)
    ]
    return columns, rows


def _network(method: MethodFacts) -> str:
    network = method.training.network if method.training else ""
    return "" if network == method.shown else network


def _columns(methods: Sequence[MethodFacts]) -> list[Column]:
    tallies = [held.tally for held in methods]
    of_each = {
        name: [getattr(tally, name)() if tally else math.nan for tally in tallies]
        for name in ("ssim", "mse")
    }
    costs = [held.training.parameters if held.training else None for held in methods]
    adds = [held.training.multiply_adds if held.training else None for held in methods]
    images = [held.images if held else 0 for held in tallies]
    fair = [count == max(images) for count in images]
    return [
        Column("Images", "judged", _uneven(images)),
        Column("PSNR", "dB, 95 % interval", _levels(methods, fair)),
        Column("Difference", "dB, 95 % interval", _differences(methods)),
        Column("SSIM", "", _scores(of_each["ssim"], 3, 1.0, fair)),
        Column("MSE", "of 0 to 255", _scores(of_each["mse"], 1, 0.0, fair)),
        Column("Tuned", "on validation", tuple(_words(held.parameter) for held in methods)),
        Column("Time", "1000 images", tuple(_time(held.seconds_per_1000) for held in methods)),
        Column("Parameters", "", tuple(_count(cost) for cost in costs)),
        Column("Multiply-adds", "an image", tuple(RunCell(multiply_adds(count)) for count in adds)),
    ]


def _levels(methods: Sequence[MethodFacts], fair: Sequence[bool]) -> tuple[RunCell, ...]:
    values = [held.tally.psnr() if held.tally else math.nan for held in methods]
    cells = []
    for held, plain in zip(methods, _scores(values, 2, math.inf, fair), strict=True):
        ends = held.tally.psnr_interval() if held.tally else (math.nan, math.nan)
        small = " to ".join(number(end, 2) for end in ends) if np.isfinite(ends).all() else ""
        cells.append(RunCell(plain.text, small, plain.best))
    return tuple(cells)


def _differences(methods: Sequence[MethodFacts]) -> tuple[RunCell, ...]:
    first, cells = methods[0], [EMPTY]
    for other in methods[1:]:
        gain = gain_of(other, first)
        if gain is not None:
            small = f"{signed(gain.low, 2)} to {signed(gain.high, 2)}"
            cells.append(RunCell(signed(gain.mean, 2), small if math.isfinite(gain.low) else ""))
        elif first.tally and other.tally and first.tally.images == other.tally.images:
            cells.append(RunCell(signed(other.tally.psnr() - first.tally.psnr(), 2)))
        else:
            cells.append(EMPTY)
    return tuple(cells)


def gain_of(first: MethodFacts, second: MethodFacts, level: float | None = None) -> Gain | None:
    """The first against the second on the images of both; None where those are not known.

    Args:
        first: A method.
        second: Another.
        level: Of the noise; None for the page's.
    """
    shared = _shared((first, second), level)
    return None if shared is None else compare_restored(*shared)


def lead_of(first: MethodFacts, second: MethodFacts, level: float | None = None) -> float:
    """Mean PSNR of the first above the second's in dB, on the images of both where known."""
    gain = gain_of(first, second, level)
    if gain is not None:
        return gain.mean
    ahead, behind = (_tally(held, level) for held in (first, second))
    return ahead.psnr() - behind.psnr() if ahead and behind else math.nan


def best_rival(
    method: MethodFacts, others: Sequence[MethodFacts], level: float | None = None
) -> MethodFacts | None:
    """The classic method of the highest mean PSNR on the images that all of them were judged on.

    Args:
        method: Whose rival it is.
        others: Those beside it.
        level: Of the noise; None for the page's.

    Returns:
        None where no classic method was judged.
    """
    known = [(held, _tally(held, level)) for held in others if held.kind == "classic"]
    rivals = [(held, tally.psnr()) for held, tally in known if tally is not None and tally.images]
    shared = _shared((method, *(held for held, _ in rivals)), level)
    if shared is not None:
        means = shared[1:].mean(1).tolist()
        rivals = [(held, mean) for (held, _), mean in zip(rivals, means, strict=True)]
    return max(rivals, key=lambda rival: rival[1])[0] if rivals else None


def _tally(method: MethodFacts, level: float | None) -> RestorationTally | None:
    return method.tally if level is None else method.by_level.get(level)


def _shared(methods: Sequence[MethodFacts], level: float | None) -> Numbers | None:
    """(methods, N) PSNR of the images that all were judged on; None where they are not known."""
    held = [one.psnr if level is None else one.psnr_by_level.get(level) for one in methods]
    known = [levels for levels in held if levels is not None]
    if len(known) < len(held) or len({levels.shape for levels in known}) > 1:
        return None
    every = np.stack(known).astype(np.float64)
    every = every[:, np.isfinite(every).all(0)]
    return every if every.size else None


def _scores(
    values: Sequence[float], decimals: int, aim: float, fair: Sequence[bool]
) -> tuple[RunCell, ...]:
    """The best of those of as many images marked: nearest to an aim, or largest without a bound."""
    held = np.where(fair, np.array(values, np.float64).round(decimals), math.nan)
    known = np.isfinite(held)
    best = held == held[known].max(initial=-math.inf) if aim == math.inf else nearest_to(aim, held)
    marked = best & known & (known.sum() > 1)
    return tuple(
        RunCell(number(float(value), decimals), best=bool(mark))
        for value, mark in zip(values, marked, strict=True)
    )


def _uneven(counts: Sequence[int]) -> tuple[RunCell, ...]:
    """Counts where they differ."""
    same = len(set(counts)) == 1
    return tuple(EMPTY if same else RunCell(grouped(count)) for count in counts)


def _words(text: str) -> RunCell:
    return RunCell(text or UNDEFINED)


def _time(seconds: float | None) -> RunCell:
    return RunCell(duration(seconds))


def _count(count: float | None) -> RunCell:
    return EMPTY if count is None else RunCell(grouped(count))

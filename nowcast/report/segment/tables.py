"""A table of scores with a row a run, and the styles of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nowcast.evaluation.object_matching import ObjectTally
from nowcast.evaluation.segment_tally import SegmentTally
from nowcast.report.classes.runs import COLOURS, RunCell
from nowcast.report.denoise.methods import Column, MethodRow
from nowcast.report.segment.facts import SegmentFacts
from nowcast.report.styles import GREY, MARKERS, Style
from nowcast.report.tables import nearest_to
from nowcast.report.wording import number

Tally = TypeVar("Tally", SegmentTally, ObjectTally)


@dataclass(frozen=True)
class Measure:
    """One column: its heading, how it is written, its best value, and where it comes from."""

    heading: str
    small: str
    decimals: int
    aim: float
    values: tuple[float, ...]
    remarks: tuple[str, ...] = ()

    @property
    def column(self) -> Column:
        """The cells, the best marked unless all are as good."""
        shown = np.array(self.values, float).round(self.decimals)
        best = nearest_to(self.aim, shown) if len(shown) > 1 else np.zeros(len(shown), bool)
        marked = best & (not best.all())
        remarks = self.remarks or ("",) * len(shown)
        return Column(
            self.heading,
            self.small,
            tuple(
                RunCell(number(float(value), self.decimals), remark, bool(mark))
                for value, remark, mark in zip(shown, remarks, marked, strict=True)
            ),
        )


@dataclass(frozen=True)
class ScoreTable:
    """Columns and a row a run, under a title and how to read them."""

    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[MethodRow, ...]


def segment_styles(facts: SegmentFacts) -> list[Style]:
    """A colour and a marker for each run."""
    return [
        Style(
            run.name,
            run.shown,
            COLOURS[n % len(COLOURS)],
            MARKERS[n % len(MARKERS)],
            "" if n < len(COLOURS) else "2 3",
        )
        for n, run in enumerate(facts.runs)
    ]


def reference_style(facts: SegmentFacts) -> Style:
    """That of the second observer."""
    return Style("reference", facts.reference_title, GREY, "diamond", "5 4")


def each(
    heading: str,
    small: str,
    decimals: int,
    aim: float,
    tallies: Sequence[Tally],
    read: Callable[[Tally], float],
) -> Measure:
    """A measure read from the tally of each run."""
    return Measure(heading, small, decimals, aim, tuple(float(read(one)) for one in tallies))


def score_table(
    facts: SegmentFacts, title: str, note: str, measures: Sequence[Measure]
) -> ScoreTable:
    """A table of all runs, and of a second observer where measures have one value more."""
    columns = tuple(measure.column for measure in measures)
    styles, networks = segment_styles(facts), [run.training.network for run in facts.runs]
    networks = networks if len(set(networks)) > 1 else [""] * len(networks)
    if columns and len(columns[0].cells) > len(styles):
        styles, networks = [*styles, reference_style(facts)], [*networks, "a human"]
    rows = tuple(
        MethodRow(style, network, "", tuple(column.cells[n] for column in columns))
        for n, (style, network) in enumerate(zip(styles, networks, strict=True))
    )
    return ScoreTable(title, note, columns, rows)

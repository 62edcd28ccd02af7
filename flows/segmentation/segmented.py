"""Segment pictures: data and recipe in, a trained network, its scores and its page out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flows import terminal
from flows.segmentation.data import Segmentation
from flows.segmentation.evaluation import Evaluated, evaluate
from flows.segmentation.facts import facts_of
from flows.segmentation.files import fates_of, known, numbers_of, write_numbers
from flows.segmentation.runs import run_of
from nowcast.evaluation import SegmentTally
from nowcast.report.segment.page import write_segment_report
from nowcast.report.segment.pairs import compare_pictures
from nowcast.training import Progress
from pipeline.masks import MaskSet

SECOND = "second observer"
COLUMNS: Mapping[str, tuple[str, str]] = {
    "dice": ("Dice", ".3f"),
    "pixel_error": ("error", ".2%"),
    "auc": ("AUC", ".4f"),
    "f1": ("F1", ".3f"),
    "merged": ("merged", ",d"),
    "split": ("split", ",d"),
    "missed": ("missed", ",d"),
    "false": ("false", ",d"),
    "v_rand": ("V-Rand", ".4f"),
    "v_info": ("V-Info", ".4f"),
    "seconds": ("seconds", ",.0f"),
}


@dataclass(frozen=True)
class Segmented:
    """What a segmentation left.

    Args:
        report: The page.
        scores: All numbers as JSON.
        table: A row a recipe, and one of the second observer where the data have one.
    """

    report: Path
    scores: Path
    table: tuple[Mapping[str, Any], ...]

    def sentence(self) -> str:
        """The first network and how well it did, for people."""
        first = self.table[0]
        told = f"{first['recipe']}: Dice {first['dice']:.3f}"
        for name in ("f1", "v_rand"):
            if first.get(name) is not None:
                told += f", {COLUMNS[name][0]} {first[name]:.3f}"
        return f"{told} on {first['pictures']} test pictures"

    def show(self, as_json: bool = False) -> None:
        """Print the table and where the page is."""
        if as_json:
            paths = {"report": str(self.report), "scores": str(self.scores)}
            terminal.show_json({**paths, "runs": list(self.table)})
            return
        names = _columns(self.table)
        rows = [
            [str(row["recipe"]), *(_shown(row.get(name), COLUMNS[name][1]) for name in names)]
            for row in self.table
        ]
        header = ["", *(COLUMNS[name][0] for name in names)]
        pictures = self.table[0]["pictures"]
        terminal.show_table(f"On {pictures} test pictures", header, rows)
        terminal.show(f"Report: {self.report}")


def segment(
    request: Segmentation, *, resume: bool = False, progress: Progress | None = None
) -> Segmented:
    """Train by one or several recipes, try each on whole test pictures, and write the page.

    Thresholds and the way to separate objects are chosen on the pictures of validation.

    Args:
        request: What to segment.
        resume: Whether to go on with runs that are in the folder.
        progress: Called after each step with its number and its line of the log.

    Raises:
        ValueError: If the data or a recipe is unknown, they do not fit, a picture is broken or
            lacks its mask, or the folder holds runs that are not to be resumed.
    """
    begun = time.perf_counter()
    images = MaskSet.open(request.data)
    runs = [run_of(request, images, name) for name in (request.recipe, *request.compare)]
    done = [evaluate(request, run, resume, progress) for run in runs]
    table = _table(done)
    scores = write_numbers(request.out / "scores.json", _numbers(done, table))
    judging = sum(each.seconds for each in done)
    seconds = {"training": time.perf_counter() - begun - judging, "judging": judging}
    report = write_segment_report(request.out / "report.html", facts_of(request, done, seconds))
    return Segmented(report, scores, tuple(table))


def _numbers(done: Sequence[Evaluated], table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    classes = done[0].run.images.classes
    numbers = {each.name: numbers_of(each.jury, classes) for each in done}
    for row in table:
        numbers.setdefault(str(row["recipe"]), {})["run"] = row
    return numbers | ({"compared": _compared(done)} if len(done) > 1 else {})


def _row(each: Evaluated) -> dict[str, Any]:
    """The numbers by which recipes are compared."""
    jury, facts = each.jury, each.trained.facts
    row = {"recipe": each.name, "pictures": len(jury.rows), **_of_pixels(jury.pixels)}
    if jury.objects is not None:
        row |= {"f1": float(jury.objects.f1()[0]), **fates_of(jury)}
        row["mean_average_precision"] = jury.objects.mean_average_precision()
    if jury.membranes is not None and jury.tuned.membrane is not None:
        scores = jury.membranes.at(jury.tuned.membrane)
        row |= {"v_rand": scores.v_rand, "v_info": scores.v_info}
        row["v_rand_challenge"] = jury.membranes.best()[1]
        row["pixel_error_challenge"] = jury.pixels.similarity_error()
    row |= {
        "parameters": facts.parameters,
        "multiply_adds": facts.multiply_adds,
        "epochs": facts.epochs,
        "seconds": facts.seconds_training,
        "images_per_second": facts.images_per_second,
        "device": each.trained.device,
    }
    return {name: known(value) for name, value in row.items()}


def _compared(done: Sequence[Evaluated]) -> dict[str, Any]:
    """The first recipe beside each other one, picture by picture."""
    first, *others = done
    return {
        f"{first.name} and {other.name}": {
            pair.name: known(asdict(pair))
            for pair in compare_pictures(first.jury.rows, other.jury.rows)
        }
        for other in others
    }


def _of_pixels(tally: SegmentTally) -> dict[str, float]:
    """Dice and AUC are means over all classes but the first, Dice of the pictures' own."""
    dice, auc = (
        float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan
        for scores in (tally.mean_dice()[1:], tally.auc()[1:])
    )
    return {"dice": dice, "pixel_error": tally.pixel_error(), "auc": auc}


def _table(done: Sequence[Evaluated]) -> list[dict[str, Any]]:
    table = [_row(each) for each in done]
    if (second := done[0].jury.second).rows:
        numbers = known(_of_pixels(second))
        table.append({"recipe": SECOND, "pictures": len(second.rows), **numbers})
    return table


def _columns(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is told of every row; of objects and cells not all by pixel, for want of room."""
    told = [name for name in COLUMNS if any(row.get(name) is not None for row in table)]
    left_out = {"f1": {"pixel_error", "auc"}, "v_rand": {"auc"}}
    without = {name for known in told for name in left_out.get(known, set())}
    return [name for name in told if name not in without]


def _shown(value: Any, how: str) -> str:
    return "–" if value is None else format(value, how)

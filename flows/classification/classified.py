"""Classify images: data and recipe in, a trained network, its scores and its page out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows import terminal
from flows.classification.answers import Evaluated, evaluate
from flows.images.facts import data_facts, machine
from flows.images.runs import ImageRun
from nowcast.checkpoint import code_version
from nowcast.evaluation import summarise
from nowcast.recipes import RECIPES, find_recipe
from nowcast.report.classes.facts import ClassFacts, Figure
from nowcast.report.classes.page import write_class_comparison, write_class_report
from nowcast.report.inside import inside_figures
from nowcast.tasks import ClassifyTask
from nowcast.training import Progress
from pipeline.image_loader import ImageLoader
from pipeline.images import ImageSet


@dataclass(frozen=True)
class Classification:
    """What to classify, by which recipe, where to write.

    Args:
        data: An image set of the catalog, or a folder of class folders.
        recipe: A name in RECIPES.
        out: Folder of the runs, the scores and the page.
        compare: More recipes, for the same images and the same split.
        size: Side of the images in pixels; None for that of the recipe.
        epochs: Passes over the training images; None for those of the recipe.
        seed: Of the weights and the batches; None for that of the recipe.
        limit: At most so many training images, evenly chosen; None for all.
        pretrained: A file of weights to begin with.
        whole: Whether the images that would choose the best weights train too, and the last
            weights are kept, as courses do.
        skip_broken: Whether images that cannot be read are left out, and named, not refused.
    """

    data: str
    recipe: str
    out: Path
    compare: tuple[str, ...] = ()
    size: int | None = None
    epochs: float | None = None
    seed: int | None = None
    limit: int | None = None
    pretrained: Path | None = None
    whole: bool = False
    skip_broken: bool = False


@dataclass(frozen=True)
class Classified:
    """What a classification left.

    Args:
        report: The page.
        scores: All numbers as JSON.
        table: A row a recipe: accuracy, parameters, multiply–adds, seconds.
    """

    report: Path
    scores: Path
    table: tuple[Mapping[str, Any], ...]

    def show(self, as_json: bool = False) -> None:
        """Print the table and where the page is."""
        if as_json:
            paths = {"report": str(self.report), "scores": str(self.scores)}
            terminal.show_json({**paths, "runs": list(self.table)})
            return
        rows = [
            [
                str(row["recipe"]),
                f"{row['accuracy']:.2%}",
                f"{row['parameters']:,}",
                f"{row['multiply_adds'] / 1e6:,.1f} M",
                f"{row['seconds']:,.0f}",
            ]
            for row in self.table
        ]
        header = ["", "accuracy", "parameters", "multiply–adds", "seconds"]
        terminal.show_table("On the test images", header, rows)
        terminal.show(f"Report: {self.report}")


def classify(
    request: Classification, *, resume: bool = False, progress: Progress | None = None
) -> Classified:
    """Train by one or several recipes, evaluate on the test images, and write the page.

    Args:
        request: What to classify.
        resume: Whether to go on with runs that are in the folder.
        progress: Called after each step with its number and its line of the log.

    Raises:
        ValueError: If the data or a recipe is unknown, a recipe is of another task, they do not
            fit, an image is broken, or the folder holds runs that are not to be resumed.
    """
    begun = time.perf_counter()
    images = ImageSet.open(request.data)
    runs = [_run(request, images, name) for name in (request.recipe, *request.compare)]
    done = [evaluate(run, resume, progress) for run in runs]
    trained = time.perf_counter()
    first = done[0]
    inside = inside_figures(first.network, first.task, first.test, images.classes)
    facts = _facts(runs[0], done, inside)
    seconds = {
        "training and evaluation": trained - begun,
        "looking inside": time.perf_counter() - trained,
    }
    facts = replace(facts, seconds=seconds)
    report = write_class_report(request.out / "report.html", facts)
    if len(done) > 1:
        write_class_comparison(request.out / "comparison.html", facts)
    table = tuple(each.row() for each in done)
    return Classified(report, _write_numbers(request.out, images, done), table)


def _run(request: Classification, images: ImageSet, name: str) -> ImageRun:
    recipe = find_recipe(name)
    known = sorted(each for each, held in RECIPES.items() if type(held.task) is ClassifyTask)
    if name not in known:
        raise ValueError(
            f"recipe {name!r}: expected one that classifies images, found one of "
            f"{type(recipe.task).__name__}; there are {known}"
        )
    recipe = recipe.for_images(len(images.classes), images.channels, request.size)
    recipe = replace(
        recipe,
        epochs=recipe.epochs if request.epochs is None else request.epochs,
        seed=recipe.seed if request.seed is None else request.seed,
        pretrained=str(request.pretrained) if request.pretrained else recipe.pretrained,
        best_by="last" if request.whole else recipe.best_by,
    )
    folder = request.out / "runs" / name
    return ImageRun(
        images,
        recipe,
        folder,
        request.limit,
        "skip" if request.skip_broken else "refuse",
        request.whole,
    )


def _facts(run: ImageRun, done: Sequence[Evaluated], inside: Sequence[Figure]) -> ClassFacts:
    first = done[0]
    judged = (*first.facts.tally.mistakes, *first.facts.tally.least_sure)
    shown = {each.index: _picture(first.test, each.index) for each in judged}
    data = data_facts(run)
    return ClassFacts(
        title=f"{data.title}: {first.facts.shown}",
        data=data,
        run=first.facts,
        others=tuple(each.facts for each in done[1:]),
        images=shown,
        inside=tuple(inside),
        code_version=code_version(),
        machine=machine(first.device),
    )


def _picture(loader: ImageLoader, index: int) -> np.ndarray[Any, Any]:
    return loader.split.read([index], loader.frame)[0].numpy()


def _write_numbers(out: Path, images: ImageSet, done: Sequence[Evaluated]) -> Path:
    numbers = {
        each.facts.name: dict(each.row()) | summarise(each.facts.tally, images.classes)
        for each in done
    }
    path = out / "scores.json"
    path.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for each in done:
        pd.DataFrame(each.predictions).to_csv(
            out / f"predictions-{each.facts.name}.csv", index=False, float_format="%.6f"
        )
    return path

"""The report of a classification as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nowcast.report.classes import charts, confusion
from nowcast.report.classes.curves import course_charts
from nowcast.report.classes.facts import ClassFacts, Figure, RunFacts
from nowcast.report.classes.numbers import class_downloads, runs_download
from nowcast.report.classes.pictures import show_images, size_of
from nowcast.report.classes.recipes import settings_apart, settings_shared
from nowcast.report.classes.runs import HEADINGS, run_charts, run_rows
from nowcast.report.classes.verdict import class_verdict, compared
from nowcast.report.classes.words import grouped, multiply_adds, per_cent
from nowcast.report.figures import key_mark
from nowcast.report.styles import Style
from nowcast.report.template import render_page, write_whole
from nowcast.report.wording import UNDEFINED, duration, number

HALF_PAGE, FINENESS = 600, 2


def write_class_report(path: Path, facts: ClassFacts) -> Path:
    """Write the page of one run, and of others to compare it with; it appears whole or not at all.

    Raises:
        ValueError: If the names of classes are not as many as a run's classes.
    """
    return write_whole(path, render_classes(facts))


def write_class_comparison(path: Path, facts: ClassFacts) -> Path:
    """Write a page of `facts.runs` beside each other and nothing of one alone.

    Raises:
        ValueError: If the names of classes are not as many as a run's classes.
    """
    return write_whole(path, render_comparison(facts))


def render_classes(facts: ClassFacts) -> str:
    """The page's text; arguments as for `write_class_report`."""
    _check(facts)
    tally, classes = facts.run.tally, facts.data.classes
    return _render(
        "classes/page.html",
        facts,
        verdict=class_verdict(facts),
        figures=key_figures(facts.run),
        course=course_charts(facts.run),
        matrix=confusion.make_matrix(tally, classes),
        few=confusion.FEW,
        pairs=confusion.make_pairs(tally, classes),
        scores=confusion.SCORES,
        rows=confusion.make_class_rows(tally, classes),
        odds=[charts.roc_charts(tally, classes), charts.reliability_chart(tally)],
        mistakes=show_images(tally.mistakes, facts.images, classes),
        unsure=show_images(tally.least_sure, facts.images, classes),
        inside=narrow_first(facts.inside),
        half=HALF_PAGE,
        wrong=tally.images - tally.right,
        downloads=class_downloads(facts.run, classes),
    )


def render_comparison(facts: ClassFacts) -> str:
    """The page's text; arguments as for `write_class_comparison`."""
    _check(facts)
    return _render(
        "classes/comparison.html",
        facts,
        verdict=[_ranked(facts.runs), *compared(facts.run, facts.others)],
        downloads=[],
    )


def _render(template: str, facts: ClassFacts, **shown: Any) -> str:
    several = len(facts.runs) > 1
    downloads = shown.pop("downloads")
    if several:
        downloads.append(runs_download(facts.runs, facts.data.classes))
    return render_page(
        template,
        filters={"key_mark": _key_mark, "grouped": _grouped, "adds": multiply_adds},
        facts=facts,
        headings=HEADINGS,
        run_rows=run_rows(facts.runs) if several else [],
        run_charts=run_charts(facts.runs) if several else [],
        settings_apart=settings_apart(facts.runs),
        settings_shared=settings_shared(facts.runs),
        downloads=downloads,
        **shown,
    )


def _check(facts: ClassFacts) -> None:
    for run in facts.runs:
        if run.tally.classes != len(facts.data.classes):
            raise ValueError(
                f"report: expected the names of {run.tally.classes} classes of {run.name}, found "
                f"{len(facts.data.classes)}"
            )


def key_figures(run: RunFacts) -> list[tuple[str, str, str]]:
    """(heading, figure, remark) of what is asked first."""
    tally = run.tally
    low, high = (number(100 * end, 2) for end in tally.interval())
    figures = [
        (
            "Accuracy",
            per_cent(tally.accuracy(), 2),
            f"{low} to {high} % (95 % interval)" if tally.images else "",
        ),
        ("F1", number(tally.averaged(tally.f1()), 4), "mean of classes"),
        ("Log loss", number(tally.log_loss(), 4), "0 is best"),
        (
            "Calibration error",
            per_cent(tally.calibration_error()),
            "0 is best",
        ),
    ]
    if tally.classes > 5:
        figures.insert(1, ("Top 5", per_cent(tally.top(5), 2), "right class among them"))
    if run.parameters is not None:
        figures.append(("Parameters", grouped(run.parameters), _trained(run)))
    if run.multiply_adds is not None:
        figures.append(("Multiply-adds", multiply_adds(run.multiply_adds), "of one image"))
    if run.seconds_training is not None:
        speed = f"{grouped(run.images_per_second)} images/s" if run.images_per_second else ""
        figures.append(("Training", duration(run.seconds_training), speed))
    return figures


def narrow_first(figures: Sequence[Figure]) -> list[tuple[Figure, tuple[int, int]]]:
    """Figures and the size at which they are shown, those that need a whole row last."""
    sizes = [size_of(figure.png) for figure in figures]
    shown = [(width // FINENESS, height // FINENESS) for width, height in sizes]
    return sorted(zip(figures, shown, strict=True), key=lambda held: held[1][0] > HALF_PAGE)


def _trained(run: RunFacts) -> str:
    if run.trained_parameters is None or run.trained_parameters == run.parameters:
        return "all trained"
    return f"{grouped(run.trained_parameters)} trained"


def _ranked(runs: Sequence[RunFacts]) -> str:
    best = max(runs, key=lambda run: (run.tally.images > 0, run.tally.accuracy()))
    return (
        f"{best.shown} has most right: {per_cent(best.tally.accuracy(), 2)} of "
        f"{grouped(best.tally.images)} images."
    )


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


def _grouped(count: float | None) -> str:
    return UNDEFINED if count is None else grouped(count)

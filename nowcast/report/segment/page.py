"""The report of a segmentation as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from nowcast.evaluation.object_matching import IOUS
from nowcast.report.classes.curves import course_charts
from nowcast.report.classes.recipes import settings_apart, settings_shared
from nowcast.report.classes.words import grouped, multiply_adds, per_cent, signed
from nowcast.report.colours import SEQUENTIAL
from nowcast.report.figures import key_mark
from nowcast.report.segment.charts import course_beside, segment_charts
from nowcast.report.segment.facts import SegmentFacts
from nowcast.report.segment.numbers import segment_downloads
from nowcast.report.segment.pairs import SURE, compare_pictures
from nowcast.report.segment.pictures import class_key, key_of, show_pictures
from nowcast.report.segment.rows import picture_columns, picture_rows
from nowcast.report.segment.scores import BY_CLASS, class_rows, iou_rows, of_all, score_tables
from nowcast.report.segment.verdict import HALF, basis, segment_verdict
from nowcast.report.styles import Style
from nowcast.report.template import render_page, write_whole
from nowcast.report.wording import UNDEFINED, duration, number

KeyFigure = tuple[str, str, str]


def write_segment_report(path: Path, facts: SegmentFacts) -> Path:
    """Write the page; it appears whole or not at all.

    Raises:
        ValueError: If two runs have one name, a tally is not of the data's classes, or a picture
            is not as large as what was found in it.
    """
    return write_whole(path, render_segment(facts))


def render_segment(facts: SegmentFacts) -> str:
    """The page's text; arguments as for `write_segment_report`."""
    _check(facts)
    lines, errors = key_of(facts)
    return render_page(
        "segment/page.html",
        filters={"key_mark": _key_mark, "grouped": _grouped, "adds": multiply_adds},
        facts=facts,
        verdict=segment_verdict(facts),
        basis=basis(facts),
        figures=key_figures(facts),
        tables=score_tables(facts),
        by_class=class_rows(facts),
        class_scores=BY_CLASS,
        by_iou=iou_rows(facts),
        ious=IOUS,
        pictures=show_pictures(facts),
        class_key=class_key(facts),
        line_key=lines,
        error_key=errors,
        stops=", ".join(SEQUENTIAL),
        picture_columns=picture_columns(facts),
        picture_rows=picture_rows(facts),
        charts=segment_charts(facts),
        course=course_charts(facts.run.training),
        courses=course_beside(facts),
        compared=[(other, compare_pictures(facts.run.rows, other.rows)) for other in facts.others],
        sure=SURE,
        settings_apart=settings_apart(facts.trainings),
        settings_shared=settings_shared(facts.trainings),
        downloads=segment_downloads(facts),
    )


def _check(facts: SegmentFacts) -> None:
    names, classes = [run.name for run in facts.runs], len(facts.data.classes)
    if len(set(names)) < len(names):
        raise ValueError(f"report: expected a name of its own for each run, found {names}")
    for run in facts.runs:
        if run.pixels.classes != classes:
            raise ValueError(
                f"report: expected the names of {run.pixels.classes} classes of {run.name}, found "
                f"{classes}"
            )
    for held in facts.pictures:
        side = held.pixels.shape[-2:]
        drawn = (held.truth, held.found, held.odds[0], held.true_objects, held.found_objects)
        wrong = [one.shape for one in drawn if one is not None and one.shape != side]
        if wrong or len(held.odds) != classes:
            raise ValueError(
                f"report: expected probabilities of {classes} classes and labels of {side} pixels "
                f"for picture {held.name!r}, found {held.odds.shape} and {wrong[:1]}"
            )


def key_figures(facts: SegmentFacts) -> list[KeyFigure]:
    """(heading, figure, remark) of what is asked first, a human's beside where there is one."""
    return [*_objects(facts), *_pixels(facts), *_costs(facts)]


def _objects(facts: SegmentFacts) -> list[KeyFigure]:
    run, figures = facts.run, list[KeyFigure]()
    if run.membranes is not None:
        limit = run.membrane if run.membrane is not None else run.membranes.best()[0]
        at, (best, most) = run.membranes.at(limit), run.membranes.best()
        found = f"{number(most, 4)} at the best threshold, {best:g}"
        figures.append(("V-Rand", number(at.v_rand, 4), found))
        figures.append(("V-Info", number(at.v_info, 4), f"threshold {limit:g}"))
    if run.objects is not None:
        tally = run.objects
        surplus = signed(tally.count_bias(), 1)
        average = number(tally.mean_average_precision(), 3)
        figures += [
            ("F1", number(float(tally.f1()[HALF]), 3), "IoU 0.5"),
            ("Mean AP", average, "IoU 0.5 to 0.95"),
            ("SEG", number(tally.seg(), 3), f"DET {number(tally.det(), 3)}"),
            ("Count error", number(tally.count_error(), 1), f"a picture, surplus {surplus}"),
        ]
    return figures


def _pixels(facts: SegmentFacts) -> list[KeyFigure]:
    tally, human = facts.run.pixels, facts.reference
    who = facts.reference_title.lower()
    theirs = (
        {}
        if human is None
        else {
            "dice": f"{who} {number(of_all(human.mean_dice()), 3)}",
            "error": f"{who} {per_cent(human.pixel_error(), 2)}",
            "found": f"{who} {number(of_all(human.sensitivity()), 3)}",
        }
    )
    figures = [
        ("Dice", number(of_all(tally.mean_dice()), 3), theirs.get("dice", "mean of pictures")),
        ("Pixel error", per_cent(tally.pixel_error(), 2), theirs.get("error", "0 is best")),
    ]
    if facts.subject == "pixels":
        spared = f"specificity {number(of_all(tally.specificity()), 3)}"
        found = number(of_all(tally.sensitivity()), 3)
        figures.append(("Sensitivity", found, theirs.get("found", spared)))
    figures.append(("AUC", number(of_all(tally.auc()), 4), "of pixels"))
    return figures


def _costs(facts: SegmentFacts) -> list[KeyFigure]:
    run, training, figures = facts.run, facts.run.training, list[KeyFigure]()
    if training.parameters is not None:
        figures.append(("Parameters", grouped(training.parameters), training.network))
    if training.seconds_training is not None:
        speed = training.images_per_second
        told = f"{grouped(speed)} images/s" if speed else ""
        figures.append(("Training", duration(training.seconds_training), told))
    if run.megapixels_per_second is not None:
        spent = f"{duration(run.seconds_prediction)} for all" if run.seconds_prediction else ""
        figures.append(("Prediction", f"{run.megapixels_per_second:.3g} Mpx/s", spent))
    return figures


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


def _grouped(count: float | None) -> str:
    return UNDEFINED if count is None else grouped(count)

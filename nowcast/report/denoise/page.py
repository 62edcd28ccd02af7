"""The report of a denoiser or an autoencoder as one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from nowcast.report.classes.curves import course_charts
from nowcast.report.classes.page import narrow_first
from nowcast.report.classes.recipes import settings_apart, settings_shared
from nowcast.report.classes.words import grouped, multiply_adds, per_cent, signed
from nowcast.report.denoise.charts import cost_chart, level_charts
from nowcast.report.denoise.courses import courses, width_chart
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts
from nowcast.report.denoise.maps import make_maps, map_colours
from nowcast.report.denoise.methods import best_rival, lead_of, method_table
from nowcast.report.denoise.numbers import denoise_downloads
from nowcast.report.denoise.pictures import MIDDLE, make_gallery, scale_stops
from nowcast.report.denoise.radar import place_of, radar_charts, radar_table
from nowcast.report.denoise.verdict import denoise_verdict
from nowcast.report.figures import key_mark
from nowcast.report.styles import Style
from nowcast.report.template import render_page, write_whole
from nowcast.report.training_facts import TrainingFacts
from nowcast.report.wording import UNDEFINED, duration, number

HALF_PAGE = 600
KeyFigure = tuple[str, str, str]


def write_denoise_report(path: Path, facts: DenoiseFacts) -> Path:
    """Write the page; it appears whole or not at all.

    Raises:
        ValueError: If two methods have one name, or a row or a setting names what is not there.
    """
    return write_whole(path, render_denoise(facts))


def render_denoise(facts: DenoiseFacts) -> str:
    """The page's text; arguments as for `write_denoise_report`."""
    _check(facts)
    columns, rows = method_table(facts.methods)
    return render_page(
        "denoise/page.html",
        filters={"key_mark": _key_mark, "grouped": _grouped, "adds": multiply_adds},
        facts=facts,
        verdict=denoise_verdict(facts),
        figures=key_figures(facts),
        columns=columns,
        rows=rows,
        gallery_of_images=make_gallery(facts),
        middle=MIDDLE,
        stops=scale_stops(),
        inside=narrow_first(facts.figures),
        half=HALF_PAGE,
        settings_apart=settings_apart(facts.trainings),
        settings_shared=settings_shared(facts.trainings),
        downloads=denoise_downloads(facts),
        **_charts(facts),
        **_radar(facts),
    )


def _charts(facts: DenoiseFacts) -> dict[str, Any]:
    training = facts.method.training
    return {
        "levels": level_charts(facts),
        "costs": cost_chart(facts),
        "widths": width_chart(facts),
        "course": course_charts(training) if training else None,
        "courses": courses(facts),
    }


def _radar(facts: DenoiseFacts) -> dict[str, Any]:
    columns, rows = radar_table(facts)
    return {
        "radar_columns": columns,
        "radar_rows": rows,
        "radar_charts": radar_charts(facts),
        "maps": make_maps(facts),
        **map_colours(facts.radar),
    }


def _check(facts: DenoiseFacts) -> None:
    names = [held.name for held in facts.methods]
    if len(set(names)) < len(names):
        raise ValueError(f"report: expected a name of its own for each method, found {names}")
    for row in facts.rows:
        strange = sorted(set(row.restored) - set(names))
        if strange:
            raise ValueError(
                f"report: expected pictures of the methods {names}, found some of {strange[0]!r} "
                f"in {row.caption!r}"
            )
    for held in facts.methods:
        if held.chosen and held.chosen not in held.cleaning:
            raise ValueError(
                f"report: expected the chosen setting of {held.name} among "
                f"{list(held.cleaning)}, found {held.chosen!r}"
            )
        for tally in held.cleaning.values():
            if facts.radar is None or facts.radar.threshold not in tally.thresholds:
                raise ValueError(
                    f"report: expected the radar's threshold among {list(tally.thresholds)} mm/h "
                    f"of {held.name}, found {facts.radar and facts.radar.threshold}"
                )


def key_figures(facts: DenoiseFacts) -> list[KeyFigure]:
    """(heading, figure, remark) of what is asked first."""
    return [*_restoration(facts), *_cleaning(facts), *_costs(facts.method)]


def _restoration(facts: DenoiseFacts) -> list[KeyFigure]:
    tally = facts.method.tally
    if tally is None:
        return []
    low, high = (number(end, 2) for end in tally.psnr_interval())
    figures = [("PSNR", f"{number(tally.psnr(), 2)} dB", f"{low} to {high} (95 % interval)")]
    known = [held for held in facts.others if held.tally and held.tally.images]
    raw = next((held.tally for held in known if held.kind == "nothing"), None)
    if raw is not None:
        gap = signed(tally.psnr() - raw.psnr(), 2)
        figures.append(("Gain", f"{gap} dB", f"over {number(raw.psnr(), 2)} dB untouched"))
    best = best_rival(facts.method, facts.others)
    if best is not None and facts.method.kind == "network":
        ahead = signed(lead_of(facts.method, best), 2)
        figures.append(("Best rival", f"{ahead} dB", f"against {best.shown}"))
    figures.append(("SSIM", number(tally.ssim(), 3), "1 is best"))
    if facts.noise is None:
        figures.append(("MSE", number(tally.mse(), 1), "pixels 0 to 255"))
    return figures


def _cleaning(facts: DenoiseFacts) -> list[KeyFigure]:
    radar, tally = facts.radar, facts.method.cleaned
    if radar is None or tally is None:
        return []
    lost, left = place_of(tally, radar.threshold)
    csi = tally.csi()[tally.thresholds.index(radar.threshold)]
    at = f"≥ {radar.threshold:g} mm/h"
    return [
        ("Clutter left", per_cent(left), at),
        ("Rain lost", per_cent(lost, 2), at),
        ("CSI", number(float(csi), 3), f"{at}, 1 is best"),
    ]


def _costs(method: MethodFacts) -> list[KeyFigure]:
    figures = []
    if method.seconds_per_1000 is not None:
        figures.append(("Time", duration(method.seconds_per_1000), "for 1000 images"))
    training = method.training
    if training is None:
        return figures
    if training.parameters is not None:
        figures.append(("Parameters", grouped(training.parameters), _trained(training)))
    if training.multiply_adds is not None:
        figures.append(("Multiply-adds", multiply_adds(training.multiply_adds), "of one image"))
    if training.seconds_training is not None:
        speed = training.images_per_second
        told = f"{grouped(speed)} images/s" if speed else ""
        figures.append(("Training", duration(training.seconds_training), told))
    return figures


def _trained(training: TrainingFacts) -> str:
    if training.trained_parameters in (None, training.parameters):
        return "all trained"
    return f"{grouped(training.trained_parameters or 0)} trained"


def _key_mark(style: Style) -> Markup:
    return Markup(key_mark(style))  # noqa: S704


def _grouped(count: float | None) -> str:
    return UNDEFINED if count is None else grouped(count)

"""All numbers of a denoising, to take away as CSV and JSON."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pandas as pd

from nowcast.evaluation.cleaning import CleaningTally
from nowcast.evaluation.restoration import RestorationTally
from nowcast.report.classes.numbers import course_table
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts
from nowcast.report.denoise.methods import gain_of
from nowcast.report.numbers import Download, csv_uri

COSTS = ("parameters", "multiply_adds", "epochs", "best_epoch", "seconds_training")


def denoise_scores(facts: DenoiseFacts) -> dict[str, Any]:
    """Every score of every method, ready for JSON.

    Undefined: None.
    """
    noise = facts.noise
    held = {
        "data": facts.data.title,
        "noise": None
        if noise is None
        else {"title": noise.title, "knob": noise.knob, "level": noise.level},
        "methods": [_method(facts.method, method) for method in facts.methods],
        "widths": [
            {"name": curve.name, "exact": curve.exact, "widths": curve.widths, "mse": curve.mse}
            for curve in facts.widths
        ],
    }
    plain: dict[str, Any] = _plain(held)
    return plain


def _method(first: MethodFacts, method: MethodFacts) -> dict[str, Any]:
    training = method.training
    gain = None if method is first else gain_of(method, first)
    levels = sorted(method.by_level)
    return {
        "name": method.name,
        "kind": method.kind,
        "parameter": method.parameter,
        "seconds_per_1000": method.seconds_per_1000,
        **(restored_scores(method.tally) if method.tally else {}),
        **({"difference": gain._asdict()} if gain else {}),
        **({name: getattr(training, name) for name in COSTS} if training else {}),
        "by_level": [
            {"level": level, **restored_scores(method.by_level[level])} for level in levels
        ],
        "chosen": method.chosen,
        "cleaning": [
            {"setting": setting, **row}
            for setting, tally in method.cleaning.items()
            for row in cleaning_rows(tally)
        ],
    }


def restored_scores(tally: RestorationTally) -> dict[str, float]:
    """The scores of a tally by name."""
    psnr, ssim = tally.psnr_interval(), tally.ssim_interval()
    return {
        "images": tally.images,
        "mse": tally.mse(),
        "psnr": tally.psnr(),
        "psnr_low": psnr.low,
        "psnr_high": psnr.high,
        "ssim": tally.ssim(),
        "ssim_low": ssim.low,
        "ssim_high": ssim.high,
    }


def cleaning_rows(tally: CleaningTally) -> list[dict[str, float]]:
    """A row of scores and counts for each threshold."""
    scores = {
        "csi": tally.csi(),
        "clutter_left": tally.clutter_left(),
        "rain_lost": tally.rain_lost(),
        **{f"{name}_pixels": counts for name, counts in tally.counts.items()},
    }
    return [
        {"threshold": rate, **{name: values[n].item() for name, values in scores.items()}}
        for n, rate in enumerate(tally.thresholds)
    ]


def denoise_downloads(facts: DenoiseFacts) -> list[Download]:
    """The tables of the page, and all of them as one JSON file."""
    told = {
        "methods.csv": ("scores and costs of every method", methods_table(facts)),
        "levels.csv": ("scores of every method by level of the noise", levels_table(facts)),
        "cleaning.csv": ("every setting of every cleaner by threshold", cleaning_table(facts)),
        "widths.csv": ("error by width of the code", widths_table(facts)),
        "course.csv": ("losses and learning rates by epoch", courses_table(facts)),
    }
    tables = [
        Download(name, what, csv_uri(frame)) for name, (what, frame) in told.items() if len(frame)
    ]
    text = json.dumps(denoise_scores(facts), ensure_ascii=False, indent=1)
    address = "data:application/json;base64," + base64.b64encode(text.encode()).decode()
    return [*tables, Download("scores.json", "all scores, for programs", address)]


def methods_table(facts: DenoiseFacts) -> pd.DataFrame:
    """A row for each method that was judged on images."""
    rows = []
    for method in facts.methods:
        if method.tally is not None:
            training = method.training
            costs = {name: getattr(training, name, None) for name in COSTS}
            named = {"method": method.name, "kind": method.kind, "parameter": method.parameter}
            time = {"seconds_per_1000": method.seconds_per_1000}
            rows.append({**named, **restored_scores(method.tally), **time, **costs})
    return pd.DataFrame(rows)


def levels_table(facts: DenoiseFacts) -> pd.DataFrame:
    """A row for each method and level."""
    return pd.DataFrame(
        [
            {"method": method.name, "level": level, **restored_scores(method.by_level[level])}
            for method in facts.methods
            for level in sorted(method.by_level)
        ]
    )


def cleaning_table(facts: DenoiseFacts) -> pd.DataFrame:
    """A row for each cleaner, setting and threshold."""
    return pd.DataFrame(
        [
            {"method": method.name, "setting": setting, "chosen": setting == method.chosen, **row}
            for method in facts.methods
            for setting, tally in method.cleaning.items()
            for row in cleaning_rows(tally)
        ]
    )


def widths_table(facts: DenoiseFacts) -> pd.DataFrame:
    """A row for each curve and width."""
    pieces = [
        pd.DataFrame({"curve": held.name, "width": held.widths, "mse": held.mse})
        for held in facts.widths
    ]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def courses_table(facts: DenoiseFacts) -> pd.DataFrame:
    """A row for each value of each network's course."""
    pieces = [
        course_table(training.curves).assign(network=training.name) for training in facts.trainings
    ]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def _plain(value: Any) -> Any:
    """Without NaN."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

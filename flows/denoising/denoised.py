"""Restore images: data and recipe in, trained networks, their scores beside others' and a page."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flows import terminal
from flows.denoising.codes import Classifier, Realism
from flows.denoising.data import (
    DenoiseRun,
    Denoising,
    open_images,
    run_of,
)
from flows.denoising.entrants import Restorer, opponents
from flows.denoising.facts import judged
from flows.denoising.judge import CLEAN, Contest
from flows.denoising.levels import main_level, noise_to_judge
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts
from nowcast.report.denoise.page import write_denoise_report
from nowcast.training import Progress
from pipeline.noise import Noise


@dataclass(frozen=True)
class Denoised:
    """What a denoising left.

    Args:
        report: The page.
        scores: All numbers as JSON.
        table: A row a method: PSNR, SSIM, images, seconds for 1000 of them.
    """

    report: Path
    scores: Path
    table: tuple[Mapping[str, Any], ...]

    def sentence(self) -> str:
        """The first network and how near it came, for people."""
        first = self.table[0]
        return f"{first['method']}: {first['psnr']:.2f} dB on {first['images']:,} test images"

    def show(self, as_json: bool = False) -> None:
        """Print the table and where the page is."""
        if as_json:
            paths = {"report": str(self.report), "scores": str(self.scores)}
            terminal.show_json({**paths, "methods": list(self.table)})
            return
        rows = [
            [
                str(row["method"]),
                f"{row['psnr']:.2f} dB",
                "–" if row["ssim"] is None else f"{row['ssim']:.3f}",
                f"{row['images']:,}",
                f"{row['seconds_per_1000']:,.2f}",
            ]
            for row in self.table
        ]
        header = ["", "PSNR", "SSIM", "images", "seconds for 1000"]
        terminal.show_table("On the test images", header, rows)
        terminal.show(f"Report: {self.report}")


def denoise(
    request: Denoising, *, resume: bool = False, progress: Progress | None = None
) -> Denoised:
    """Train by one or several recipes, judge beside classic methods, and write the page.

    Args:
        request: What to restore.
        resume: Whether to go on with runs that are in the folder.
        progress: Called after each step with its number and its line of the log.

    Raises:
        ValueError: If the data, a recipe, a method or the noise is unknown, they do not fit,
            images are to be tested on stores, or the folder holds runs that are not to be resumed.
    """
    if request.stores:
        from flows.cleaning import clean_radar

        return clean_radar(request, resume=resume, progress=progress)
    request.refuse_radar()
    begun = time.perf_counter()
    images = open_images(request.data, request.size)
    runs = [run_of(request, images, name) for name in (request.recipe, *request.compare)]
    noise, levels = noise_to_judge(request, runs)
    against, shape = opponents(request.against), runs[0].images.test.shape
    classifier = Classifier.read(request.classifier, shape) if request.classifier else None
    restorers = [Restorer.of(run.trained(resume, progress), shape) for run in runs]
    trained = time.perf_counter()
    contest = _contest(request, runs[0], noise, levels)
    made = judged(contest, runs, restorers, against, classifier)
    seconds = {"training": trained - begun, "judging": time.perf_counter() - trained}
    facts = replace(made.facts, seconds=seconds)
    report = write_denoise_report(request.out / "report.html", facts)
    table = tuple(_row(method, restorers[0].trained.device) for method in facts.methods)
    return Denoised(report, _write_numbers(request.out, facts, table, made.realism), table)


def _contest(
    request: Denoising, run: DenoiseRun, noise: Noise | None, levels: tuple[float, ...]
) -> Contest:
    main = main_level(levels, run.noise) if levels else CLEAN
    test, validation = run.images.test, run.images.validation
    return Contest(test, validation, noise, levels or (CLEAN,), main, request.judge)


def _row(method: MethodFacts, device: str) -> dict[str, Any]:
    """The numbers by which methods are compared."""
    tally, training = method.tally, method.training
    if tally is None:
        raise ValueError(f"{method.name}: expected a tally of test images, found none")
    low, high = tally.psnr_interval()
    row = {
        "method": method.name,
        "kind": method.kind,
        "images": tally.images,
        "psnr": tally.psnr(),
        "psnr_low": _known(low),
        "psnr_high": _known(high),
        "ssim": _known(tally.ssim()),
        "mse": tally.mse(),
        "seconds_per_1000": method.seconds_per_1000,
        "tuned": method.parameter,
    }
    if training is None:
        return row
    return row | {
        "parameters": training.parameters,
        "multiply_adds": training.multiply_adds,
        "epochs": training.epochs,
        "seconds": training.seconds_training,
        "images_per_second": training.images_per_second,
        "device": device,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write_numbers(
    out: Path,
    facts: DenoiseFacts,
    table: Sequence[Mapping[str, Any]],
    realism: Mapping[str, Realism],
) -> Path:
    noise = facts.noise
    numbers = {
        "noise": None if noise is None else {"what": noise.title, "level": noise.level},
        "methods": {row["method"]: dict(row) for row in table},
        "levels": {
            held.name: {
                str(level): {"psnr": t.psnr(), "ssim": _known(t.ssim()), "mse": t.mse()}
                for level, t in held.by_level.items()
            }
            for held in facts.methods
        },
        "widths": {
            held.name: dict(zip(held.widths, held.mse, strict=True)) for held in facts.widths
        },
        "frechet": {name: asdict(held) for name, held in realism.items()},
    }
    path = out / "scores.json"
    path.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path

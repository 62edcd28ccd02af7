"""Clean radar: stores and recipe in; a trained cleaner, its figures beside filters and a page."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from flows import terminal
from flows.cleaning.data import LEVEL, Pieces, RadarCleaning, recipe_of, train_cleaner
from flows.cleaning.facts import facts_of, table_of, write_numbers
from flows.cleaning.judge import JUDGED, compare_cleaners
from flows.denoising import Denoised, Denoising
from nowcast.cleaner import Cleaner
from nowcast.report.denoise.page import write_denoise_report
from nowcast.training import BEST, Progress
from pipeline.noise import noise_of


@dataclass(frozen=True)
class Cleaned(Denoised):
    """What a cleaning left; its table has a row for each way to clean.

    Args:
        checkpoint: The trained cleaner, for `--quality cleaner:CHECKPOINT`.
    """

    checkpoint: Path = Path()

    def sentence(self) -> str:
        """How much the trained cleaner removes and loses, for people."""
        row = self.table[0]
        return (
            f"{row['method']}: {row['clutter_left']:.1%} of the clutter left and "
            f"{row['rain_lost']:.2%} of the rain lost at {JUDGED:g} mm/h"
        )

    def show(self, as_json: bool = False) -> None:
        """Print the table and where the page is."""
        if as_json:
            paths = {name: str(getattr(self, name)) for name in ("report", "scores", "checkpoint")}
            terminal.show_json({**paths, "methods": list(self.table)})
            return
        rows = [
            [
                str(row["method"]),
                str(row["setting"]) or "–",
                *(f"{row[name]:.1%}" for name in ("clutter_left", "rain_lost")),
                f"{row['csi']:.3f}",
                f"{row['left_at_equal_loss']:.1%}",
            ]
            for row in self.table
        ]
        header = ["", "setting", "clutter left", "rain lost", "CSI", "left at equal loss"]
        terminal.show_table(f"On the test frames, {JUDGED:g} mm/h or more", header, rows)
        terminal.show(f"Cleaner: {self.checkpoint}")
        terminal.show(f"Report: {self.report}")


def clean_radar(
    request: RadarCleaning | Denoising, *, resume: bool = False, progress: Progress | None = None
) -> Cleaned:
    """Train a cleaner, judge it beside the filters on noisy frames, and write the page.

    Args:
        request: What to clean.
        resume: Whether to go on with the run that is in the folder.
        progress: Called after each step with its number and its line of the log.

    Raises:
        FileNotFoundError: If there is no store at an address.
        ValueError: If the recipe or the noise is unknown or no radar's, a store has too few frames
            or trains and tests, or the folder holds a run that is not to be resumed.
    """
    if isinstance(request, Denoising):
        request = RadarCleaning.of(request)
    begun = time.perf_counter()
    pieces = Pieces.of(request)
    recipe = recipe_of(request)
    made = train_cleaner(recipe, pieces, request.out / "runs" / recipe.name, resume, progress)
    trained = time.perf_counter()
    cleaner = Cleaner(made.network, made.task, fingerprint=made.facts.checkpoint)
    noise = noise_of(recipe.noise).at(request.levels[0] if request.levels else LEVEL)
    comparison = compare_cleaners(cleaner, pieces.test, pieces.validation, noise, request.frames)
    facts = facts_of(comparison, pieces, made, noise)
    seconds = {"training": trained - begun, "judging": time.perf_counter() - trained}
    report = write_denoise_report(request.out / "report.html", replace(facts, seconds=seconds))
    table = table_of(comparison)
    scores = write_numbers(request.out, comparison, table)
    return Cleaned(report, scores, table, request.out / "runs" / recipe.name / BEST)

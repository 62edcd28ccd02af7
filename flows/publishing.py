"""Scores of a period written to files, and the report that people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from flows import terminal
from flows.cases import choose_cases
from flows.facts import report_facts
from flows.periods import Period, whole_period
from flows.scores_files import opened
from flows.scoring import Progress, score_period
from flows.verification import Comparison, Request
from nowcast.report import write_report
from nowcast.verification.scores_file import score_table
from pipeline.summary import summarise

THRESHOLD = 1.0
WIDEST_TABLE = 10


@dataclass(frozen=True)
class Published:
    """Where the scores and the report of a period are.

    Args:
        scores: The scores file.
        report: The page.
        table: CSI at THRESHOLD by forecaster and lead time in minutes.
        counted: Issue times that were not counted by an earlier run.
        case: The wettest issue time, with all its fields.
    """

    scores: Path
    report: Path
    table: pd.DataFrame
    counted: int
    case: xr.Dataset = field(repr=False)

    def records(self) -> list[dict[str, Any]]:
        """The table, a record a forecaster."""
        records: list[dict[str, Any]] = []
        for name, row in self.table.round(3).iterrows():
            scores = {f"{lead} min": None if pd.isna(csi) else csi for lead, csi in row.items()}
            records.append({"forecaster": name, **scores})
        return records

    def show(self, as_json: bool = False) -> None:
        """Print the table and where the report is."""
        if as_json:
            paths = {"scores": str(self.scores), "report": str(self.report)}
            counted = {"counted_issue_times": self.counted}
            terminal.show_json({**paths, **counted, "threshold": THRESHOLD, "csi": self.records()})
            return
        leads = list(self.table.columns)
        if len(leads) > WIDEST_TABLE:
            leads = leads[:1] + leads[1::2]
        rows = [
            [str(name), *("–" if pd.isna(csi) else f"{csi:.2f}" for csi in row)]
            for name, row in self.table[leads].iterrows()
        ]
        title = f"CSI at {THRESHOLD:g} mm/h by lead time in minutes"
        terminal.show_table(title, ["", *map(str, leads)], rows)
        terminal.show(f"Report: {self.report}")


def verify_period(
    request: Request,
    period: Period,
    out: Path,
    *,
    workers: int | None = None,
    dask: str | None = None,
    seconds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Published:
    """Score forecasters over a period and write scores.nc and report.html.

    What an earlier run into the same folder has counted is not counted again.

    Args:
        request: Who is compared, on which store.
        period: First and last time from which frames are used, UTC; None for that of the
            forecast files.
        out: Folder to write to.
        workers: Threads that count, by default one a core.
        dask: Address of a Dask scheduler whose workers count instead.
        seconds: Stage → seconds that led here, for the report.
        progress: Called with the issue times done and in all.

    Raises:
        ConnectionError: If there is no such Dask cluster.
        ValueError: If nothing can be verified in the period, a forecaster or a file does not fit,
            or the folder holds scores of another protocol.
    """
    comparison = Comparison.load(request)
    window = whole_period(comparison, period)
    scored = score_period(
        comparison, request, window, out, workers=workers, dask=dask, progress=progress
    )
    summary = summarise(comparison.store, *window)
    facts = report_facts(comparison, summary, seconds or {}, scored.seconds)
    with opened(scored.path) as scores:
        cases = [
            comparison.case(slot).assign_attrs(why=why)
            for slot, why in choose_cases(comparison, scored.slots, scores)
        ]
        report = write_report(out / "report.html", scores, cases, facts)
        table = score_table(scores, threshold=THRESHOLD)
    return Published(scored.path, report, table, scored.counted, cases[0])

"""Scores of a period written to files, and the report that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data_catalog.catalog import load_catalog
from flows import terminal
from flows.verification import Comparison, Progress, issue_slots, score, wettest
from nowcast.checkpoint import code_version
from nowcast.forecasters import Forecaster, Rollout
from nowcast.report import ForecasterFacts, ReportFacts, write_report
from nowcast.verification.scores_file import score_table
from pipeline.places import Address
from pipeline.store import Store
from pipeline.summary import StoreSummary, gap_lines, summarise
from pipeline.windows import as_datetime

Period = tuple[np.datetime64, np.datetime64]
THRESHOLD = 1.0
WIDEST_TABLE = 10


@dataclass(frozen=True)
class Published:
    """Where the scores and the report of a period are.

    Args:
        scores: The scores file.
        report: The page.
        table: CSI at THRESHOLD by forecaster and lead time in minutes.
    """

    scores: Path
    report: Path
    table: pd.DataFrame

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
            terminal.show_json({**paths, "threshold": THRESHOLD, "csi": self.records()})
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
    address: Address,
    forecasters: Sequence[str],
    period: Period,
    out: Path,
    *,
    lead_minutes: int = 60,
    seconds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Published:
    """Score forecasters over a period and write scores.nc and report.html.

    Args:
        address: The store.
        forecasters: Names in FORECASTERS or paths of checkpoints.
        period: First and last time from which frames are used, UTC.
        out: Folder to write to.
        lead_minutes: The longest lead time, a multiple of the cadence.
        seconds: Stage → seconds that led here, for the report.
        progress: Called with the issue times done and in all.

    Raises:
        ValueError: If nothing can be verified in the period, or a forecaster does not fit.
    """
    store = Store.open(address)
    comparison = Comparison.of(store, forecasters, lead_minutes)
    slots = issue_slots(store, *period, comparison.steps)
    scores = score(comparison, slots, progress)
    case = comparison.case(wettest(store, slots, comparison.steps))
    out.mkdir(parents=True, exist_ok=True)
    path = _write_scores(scores, out / "scores.nc")
    facts = _facts(comparison, summarise(store, *period), seconds or {})
    report = write_report(out / "report.html", scores, case, facts)
    return Published(path, report, score_table(scores, threshold=THRESHOLD))


def _write_scores(scores: xr.Dataset, path: Path) -> Path:
    unfinished = path.with_name(f".{path.name}")
    scores.to_netcdf(unfinished)
    return unfinished.replace(path)


def _facts(
    comparison: Comparison, summary: StoreSummary, seconds: Mapping[str, float]
) -> ReportFacts:
    entry = load_catalog().products.get(summary.product)
    if summary.first is None or summary.last is None:
        raise ValueError(f"{summary.store}: no slot in the period")
    return ReportFacts(
        title=f"Verification of nowcasts: {entry.title if entry else summary.product}",
        product=entry.title if entry else summary.product,
        provider=entry.provider if entry else "not stated",
        licence=summary.licence,
        period=(as_datetime(summary.first), as_datetime(summary.last)),
        cadence_minutes=int(comparison.store.cadence / np.timedelta64(1, "m")),
        frames=summary.frames,
        missing_slots=sum(summary.slots.values()) - summary.frames,
        wet_share=summary.wet_share,
        gaps=tuple(gap_lines(summary.gaps)),
        forecasters=tuple(
            _forecaster_facts(forecaster, mean(comparison.seconds[name]), seconds)
            for name, forecaster in comparison.forecasters.items()
        ),
        code_version=code_version(),
        seconds=seconds,
    )


def _forecaster_facts(
    forecaster: Forecaster, seconds_forecast: float, seconds: Mapping[str, float]
) -> ForecasterFacts:
    if not isinstance(forecaster, Rollout):
        return ForecasterFacts(forecaster.name, seconds_forecast=seconds_forecast)
    return ForecasterFacts(
        forecaster.name,
        checkpoint=forecaster.fingerprint,
        recipe=forecaster.name,
        parameters=sum(weights.numel() for weights in forecaster.network.parameters()),
        seconds_training=seconds.get(f"train {forecaster.name}"),
        seconds_forecast=seconds_forecast,
    )

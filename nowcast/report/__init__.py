"""The verification report: one HTML page that a forecaster reads."""

from __future__ import annotations

from nowcast.report.facts import ForecasterFacts, ReportFacts
from nowcast.report.page import write_report

__all__ = ["ForecasterFacts", "ReportFacts", "write_report"]

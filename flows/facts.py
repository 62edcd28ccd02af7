"""What a report tells of the data and the forecasters, from the store and the comparison."""

from __future__ import annotations

from collections.abc import Mapping

from data_catalog.catalog import load_catalog
from flows.entrants import Entrant, Live
from flows.verification import Comparison
from nowcast.checkpoint import code_version
from nowcast.forecasters import Rollout
from nowcast.report import ForecasterFacts, ReportFacts
from pipeline.summary import StoreSummary, gap_lines
from pipeline.windows import as_datetime


def report_facts(
    comparison: Comparison,
    summary: StoreSummary,
    seconds: Mapping[str, float],
    seconds_forecast: Mapping[str, float],
) -> ReportFacts:
    """The facts of a report.

    Args:
        comparison: Who is compared.
        summary: Of the store in the period.
        seconds: Stage → seconds that led here.
        seconds_forecast: Forecaster → seconds of one forecast.

    Raises:
        ValueError: If the period holds no slot.
    """
    entry = load_catalog().products.get(summary.product)
    if summary.first is None or summary.last is None:
        raise ValueError(f"{summary.store}: no slot in the period")
    return ReportFacts(
        title=f"Verification of nowcasts: {entry.title if entry else summary.product}",
        product=entry.title if entry else summary.product,
        provider=entry.provider if entry else "not stated",
        licence=summary.licence,
        period=(as_datetime(summary.first), as_datetime(summary.last)),
        cadence_minutes=comparison.minutes,
        frames=summary.frames,
        missing_slots=sum(summary.slots.values()) - summary.frames,
        wet_share=summary.wet_share,
        gaps=tuple(gap_lines(summary.gaps)),
        forecasters=tuple(
            _forecaster_facts(entrant, seconds_forecast.get(name), seconds)
            for name, entrant in comparison.entrants.items()
        ),
        code_version=code_version(),
        seconds=seconds,
    )


def _forecaster_facts(
    entrant: Entrant, seconds_forecast: float | None, seconds: Mapping[str, float]
) -> ForecasterFacts:
    if not isinstance(entrant, Live):
        return ForecasterFacts(entrant.name)
    forecaster = entrant.forecaster
    if not isinstance(forecaster, Rollout):
        return ForecasterFacts(entrant.name, seconds_forecast=seconds_forecast)
    return ForecasterFacts(
        forecaster.name,
        checkpoint=forecaster.fingerprint,
        recipe=forecaster.name,
        parameters=sum(weights.numel() for weights in forecaster.network.parameters()),
        seconds_training=seconds.get(f"train {forecaster.name}"),
        seconds_forecast=seconds_forecast,
    )

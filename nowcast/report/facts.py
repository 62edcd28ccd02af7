"""What a report tells besides the numbers: where the data and the forecasts come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ForecasterFacts:
    """Where one forecaster comes from.

    Args:
        name: As in the scores file.
        title: For readers; a known name has one of its own.
        checkpoint: Hash of the trained weights.
        recipe: Name of the recipe that trained it.
        parameters: Number of trained numbers.
        seconds_training: Wall-clock time of the training.
        seconds_forecast: Wall-clock time of one forecast of all lead times.
    """

    name: str
    title: str | None = None
    checkpoint: str | None = None
    recipe: str | None = None
    parameters: int | None = None
    seconds_training: float | None = None
    seconds_forecast: float | None = None


@dataclass(frozen=True)
class ReportFacts:
    """Where the data come from, and what was done with them.

    Args:
        title: Headline of the page.
        product: What was observed.
        provider: Who observed it.
        licence: On what terms.
        period: First and last valid time of the frames, UTC.
        cadence_minutes: Step between frames.
        frames: Number of frames observed in the period.
        missing_slots: Number of frames that the period lacks.
        wet_share: Share of the observed pixels with rain; NaN if none was observed.
        gaps: One line for each gap.
        forecasters: Whatever is known of each.
        code_version: Of this program.
        seconds: Stage → wall-clock time.
        protocol: Anything that the scores file does not say of how forecasts were compared.
    """

    title: str
    product: str
    provider: str
    licence: str
    period: tuple[datetime, datetime]
    cadence_minutes: int
    frames: int
    missing_slots: int
    wet_share: float
    gaps: tuple[str, ...] = ()
    forecasters: tuple[ForecasterFacts, ...] = ()
    code_version: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    protocol: str = ""

"""Where the service keeps what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.clock import compact_clock


@dataclass(frozen=True)
class Folders:
    """The places under the folder of a service.

    Args:
        out: The folder.
    """

    out: Path

    @property
    def forecasts(self) -> Path:
        """A folder a day, a file a forecaster and issue time."""
        return self.out / "forecasts"

    @property
    def cycles(self) -> Path:
        """A file a day, a line of JSON an issue time."""
        return self.out / "cycles"

    @property
    def skill(self) -> Path:
        """A file a day, a line of JSON an issue time whose hour is over."""
        return self.out / "skill"

    @property
    def reports(self) -> Path:
        """daily/DATE and weekly/DATE, each with scores.nc and report.html."""
        return self.out / "reports"

    @property
    def models(self) -> Path:
        """A folder a training, and which network is in service."""
        return self.out / "models"

    @property
    def logs(self) -> Path:
        """What the server and the service say."""
        return self.out / "logs"

    @property
    def prefect(self) -> Path:
        """Home of Prefect's embedded server."""
        return self.out / "prefect"

    @property
    def ledger(self) -> Path:
        """Which files of the inbox are done."""
        return self.out / "inbox.sqlite"

    @property
    def alerts(self) -> Path:
        """A line of JSON an alert."""
        return self.out / "alerts.jsonl"

    @property
    def live_page(self) -> Path:
        """What a forecaster looks at."""
        return self.out / "latest.html"

    @property
    def status(self) -> Path:
        """The same for monitoring."""
        return self.out / "status.json"

    def forecast(self, issue_time: np.datetime64, forecaster: str) -> Path:
        """The forecast file of one issue time and forecaster."""
        stamp = compact_clock(issue_time)
        return self.forecasts / stamp[:8] / f"{stamp}-{forecaster}.nc"

    def day(self, folder: Path, issue_time: np.datetime64) -> Path:
        """The file of lines of the issue time's day."""
        return folder / f"{compact_clock(issue_time)[:8]}.jsonl"

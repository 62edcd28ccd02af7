"""Files that arrived, into the store."""

from __future__ import annotations

from dataclasses import dataclass

from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.inbox import Inbox
from flows.service.moments import wall_clock
from pipeline.ingest import ingest
from pipeline.ingest_report import IngestReport

SHOWN = 5


@dataclass(frozen=True)
class Intake:
    """What an ingest of the inbox did.

    Args:
        files: How many were taken.
        report: What became of them; None if there were none.
    """

    files: int
    report: IngestReport | None

    @property
    def changed(self) -> bool:
        """Whether the store holds frames that it did not hold."""
        frames = self.report.frames if self.report else {}
        return any(count for outcome, count in frames.items() if outcome != "unchanged")

    def sentence(self) -> str:
        """What happened, for people, with the reason of each refused file up to SHOWN."""
        if self.report is None:
            return "no file arrived"
        return "; ".join([self.report.sentence(), *map(str, self.report.refused[:SHOWN])])


def take_in(configuration: Configuration, dask: str | None = None) -> Intake:
    """Put the files that arrived into the store, and remember them; safe to repeat.

    Args:
        configuration: Whose inbox and store.
        dask: Address of a Dask scheduler whose workers decode.

    Raises:
        FileNotFoundError: If there is no inbox.
        OSError: If the store cannot be written; the files are taken again the next time.
    """
    inbox = Inbox(configuration.inbox, Folders(configuration.out).ledger)
    seen = wall_clock()
    arrived = inbox.arrivals()
    if not arrived:
        return Intake(0, None)
    report = ingest(arrived, configuration.store, product=configuration.product, dask=dask)
    inbox.settle(arrived, report, seen, wall_clock())
    return Intake(len(arrived), report)

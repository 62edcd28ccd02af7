"""What an archive holds, as its page tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

FILLED = ("observed", "late", "revised")


@dataclass(frozen=True)
class Totals:
    """Sums over some slots; they add.

    Args:
        slots: Status → how many slots have it.
        gaps: Stretches without a frame that begin here.
        wet_sum: Sum of the wet shares of the frames where it is known.
        wet_frames: How many frames these are.
    """

    slots: Mapping[str, int] = field(default_factory=dict)
    gaps: int = 0
    wet_sum: float = 0.0
    wet_frames: int = 0

    def __add__(self, other: Totals) -> Totals:
        names = dict.fromkeys((*self.slots, *other.slots))
        return Totals(
            {name: self.slots.get(name, 0) + other.slots.get(name, 0) for name in names},
            self.gaps + other.gaps,
            self.wet_sum + other.wet_sum,
            self.wet_frames + other.wet_frames,
        )

    @classmethod
    def of(cls, parts: Iterable[Totals]) -> Totals:
        """The sum of all."""
        return sum(parts, cls())

    @property
    def count(self) -> int:
        """Slots of any status."""
        return sum(self.slots.values())

    @property
    def frames(self) -> int:
        """Slots that a frame fills."""
        return sum(self.slots.get(name, 0) for name in FILLED)

    @property
    def wet_share(self) -> float:
        """Mean over the frames; NaN where none knows it."""
        return self.wet_sum / self.wet_frames if self.wet_frames else float("nan")


@dataclass(frozen=True)
class DayFacts:
    """The slots of one UTC day."""

    date: date
    totals: Totals


@dataclass(frozen=True)
class SlotFacts:
    """One slot; `wet_share` is NaN where no frame knows it."""

    time: datetime
    status: str
    wet_share: float


@dataclass(frozen=True)
class GapFacts:
    """A stretch of slots without a frame."""

    first: datetime
    last: datetime
    slots: int


@dataclass(frozen=True)
class ArchiveFacts:
    """An archive of radar frames.

    Args:
        title: Headline of the page.
        product: Its name.
        provider: Who observed it.
        licence: On what terms.
        height: Rows.
        width: Columns.
        pixel_m: Side of a pixel in metres.
        cadence_seconds: Step between slots.
        period: Valid times of the first and last frame, UTC; None if there is no frame.
        days: Every day from the first slot of which something is known to the last such slot.
        slots: Every slot of the same period, where it is short; empty where days tell enough.
        longest_gaps: The longest first; not necessarily all.
        size_bytes: Of the whole archive.
        objects: Number of files.
        store: Where it is.
        made: When this was found out, UTC.
        code_version: Of this program.
    """

    title: str
    product: str
    provider: str
    licence: str
    height: int
    width: int
    pixel_m: float
    cadence_seconds: int
    period: tuple[datetime, datetime] | None
    days: tuple[DayFacts, ...]
    slots: tuple[SlotFacts, ...]
    longest_gaps: tuple[GapFacts, ...]
    size_bytes: int
    objects: int
    store: str
    made: datetime
    code_version: str = ""

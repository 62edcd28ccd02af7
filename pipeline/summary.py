"""What a store holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.layout import STATUSES
from pipeline.store import Store, clock, format_cadence

Gap = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class StoreSummary:
    """The state of a store, or of a period of it.

    Args:
        store: Where it is.
        product: Its catalog entry.
        licence: Of the product.
        height: Rows.
        width: Columns.
        pixel_m: Side of a pixel in metres.
        cadence: ISO 8601 duration.
        first: First slot; None if the store is empty.
        last: Last slot.
        slots: How many of each status.
        gaps: First and last slot of each stretch without a frame.
        wet_share: Mean over the frames, of the observed pixels.
        observed_share: Mean over the frames.
        size_bytes: Of the whole store, on disk.
    """

    store: Path
    product: str
    licence: str
    height: int
    width: int
    pixel_m: float
    cadence: str
    first: np.datetime64 | None
    last: np.datetime64 | None
    slots: dict[str, int]
    gaps: tuple[Gap, ...]
    wet_share: float
    observed_share: float
    size_bytes: int

    @property
    def frames(self) -> int:
        """Slots that a frame fills."""
        return sum(self.slots[name] for name in ("observed", "late", "revised"))

    def rows(self) -> list[tuple[str, str]]:
        """The same for people: a name and a value a row."""
        if self.first is None or self.last is None:
            period = "no frame yet"
        else:
            period = f"{clock(self.first)} to {clock(self.last)} UTC"
        slots = ", ".join(f"{count} {name}" for name, count in self.slots.items() if count)
        return [
            ("product", self.product),
            ("licence", self.licence),
            ("grid", f"{self.height} × {self.width} pixels of {self.pixel_m:g} m"),
            ("period", period),
            (
                "cadence",
                f"{self.cadence[2:].lower()}in" if self.cadence[-1] == "M" else self.cadence,
            ),
            ("slots", slots or "none"),
            ("gaps", "\n".join(map(gap_text, self.gaps)) or "none"),
            ("wet share", _percent(self.wet_share, "of the observed pixels")),
            ("observed share", _percent(self.observed_share, "of the pixels")),
            ("size", f"{self.size_bytes / 1e6:.1f} MB"),
        ]

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON knows; NaN is None."""
        entries = dict(vars(self), store=str(self.store), frames=self.frames)
        entries["gaps"] = [[clock(start), clock(end)] for start, end in self.gaps]
        for name in ("first", "last"):
            entries[name] = None if entries[name] is None else clock(entries[name])
        for name in ("wet_share", "observed_share"):
            entries[name] = None if np.isnan(entries[name]) else round(entries[name], 4)
        return entries


def summarise(
    store: Store, start: np.datetime64 | None = None, end: np.datetime64 | None = None
) -> StoreSummary:
    """Look at the slots from `start` to `end`, both included; by default at all."""
    times, observed, status = store.times, store.observed, store.status
    inside = np.ones(len(times), bool)
    if start is not None:
        inside &= times >= start
    if end is not None:
        inside &= times <= end
    seen = inside & observed
    counts = np.bincount(status[inside], minlength=len(STATUSES))
    return StoreSummary(
        store=store.path,
        product=store.product,
        licence=store.licence,
        height=store.grid.shape[0],
        width=store.grid.shape[1],
        pixel_m=round(store.grid.pixel_m, 1),
        cadence=format_cadence(store.cadence),
        first=times[inside][0] if inside.any() else None,
        last=times[inside][-1] if inside.any() else None,
        slots={name: int(count) for name, count in zip(STATUSES, counts, strict=True)},
        gaps=find_gaps(times[inside], observed[inside]),
        wet_share=_mean(store.wet_share[seen]),
        observed_share=_mean(store.observed_share[seen]),
        size_bytes=sum(p.stat().st_size for p in store.path.rglob("*") if p.is_file()),
    )


def gap_text(gap: Gap) -> str:
    """A gap as people read it; a single slot is one time."""
    first, last = gap
    return clock(first) if first == last else f"{clock(first)} to {clock(last)}"


def find_gaps(times: NDArray[np.datetime64], observed: NDArray[np.bool_]) -> tuple[Gap, ...]:
    """First and last time of each stretch of slots that no frame fills."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~observed, [False]]).astype(np.int8)))
    return tuple((times[a], times[b - 1]) for a, b in edges.reshape(-1, 2))


def _percent(share: float, of_what: str) -> str:
    return "unknown" if np.isnan(share) else f"{share:.1%} {of_what}"


def _mean(shares: NDArray[np.float32]) -> float:
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if known.size else float("nan")

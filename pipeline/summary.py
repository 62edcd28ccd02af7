"""What a store holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clock import clock, format_cadence
from pipeline.gaps import find_gaps, known_stretch
from pipeline.layout import STATUSES
from pipeline.store import FILLED, Store

Gap = tuple[np.datetime64, np.datetime64]
FIRST_TOLD = 3
ALL_TOLD = 8


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
        first: Time of the first frame; None if there is none.
        last: Of the last frame.
        slots: How many of each status, from the first slot of which something is known to the
            last such slot.
        gaps: First and last slot of each stretch without a frame between two frames.
        wet_share: Mean over the frames, of the observed pixels.
        observed_share: Mean over the frames.
        size_bytes: Of the whole store.
        objects: Number of its files or objects.
        quality: Steps of quality control that its frames went through, in order.
    """

    store: str
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
    objects: int
    quality: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Slots that a frame fills."""
        return sum(self.slots[name] for name in ("observed", "late", "revised"))

    @property
    def bytes_per_frame(self) -> float:
        """What a frame takes up, columns and coordinates included; NaN without a frame."""
        return self.size_bytes / self.frames if self.frames else float("nan")

    def rows(self) -> list[tuple[str, str]]:
        """The same for people: a name and a value a row."""
        if self.first is None or self.last is None:
            period = "no frame yet"
        else:
            period = f"{clock(self.first)} to {clock(self.last)} UTC"
        slots = ", ".join(f"{count} {name}" for name, count in self.slots.items() if count)
        quality = [("quality control", ", then ".join(self.quality))] if self.quality else []
        return [
            ("product", self.product),
            ("licence", self.licence),
            ("grid", f"{self.height} × {self.width} pixels of {self.pixel_m:g} m"),
            ("period", period),
            (
                "cadence",
                f"{self.cadence[2:].lower()}in" if self.cadence[-1] == "M" else self.cadence,
            ),
            *quality,
            ("slots", slots or "none"),
            ("gaps", "\n".join(gap_lines(self.gaps)) or "none"),
            ("wet share", _percent(self.wet_share, "of the observed pixels")),
            ("observed share", _percent(self.observed_share, "of the pixels")),
            ("size", self._size()),
        ]

    def _size(self) -> str:
        size = f"{self.size_bytes / 1e6:,.1f} MB in {self.objects:,} files".replace(",", " ")
        return f"{size}, {self.bytes_per_frame / 1e3:.1f} kB a frame" if self.frames else size

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON knows; NaN is None."""
        entries = dict(vars(self), store=str(self.store), frames=self.frames)
        entries["gaps"] = [[clock(start), clock(end)] for start, end in self.gaps]
        for name in ("first", "last"):
            entries[name] = None if entries[name] is None else clock(entries[name])
        for name in ("wet_share", "observed_share"):
            entries[name] = None if np.isnan(entries[name]) else round(entries[name], 4)
        entries["bytes_per_frame"] = round(self.bytes_per_frame) if self.frames else None
        return entries


def summarise(
    store: Store, start: np.datetime64 | None = None, end: np.datetime64 | None = None
) -> StoreSummary:
    """Look at the slots from `start` to `end`, both included; by default at all."""
    stretch, status = _known(store, start, end)
    times = store.times[stretch]
    filled = np.isin(status, FILLED)
    seen = times[filled]
    counts = np.bincount(status, minlength=len(STATUSES)).tolist()
    return StoreSummary(
        store=store.address,
        product=store.product,
        licence=store.licence,
        height=store.grid.shape[0],
        width=store.grid.shape[1],
        pixel_m=round(store.grid.pixel_m, 1),
        cadence=format_cadence(store.cadence),
        first=seen[0] if seen.size else None,
        last=seen[-1] if seen.size else None,
        slots=dict(zip(STATUSES, counts, strict=True)),
        gaps=tuple((times[first], times[last]) for first, last in find_gaps(filled)),
        wet_share=_mean(store.column("wet_share", stretch)[filled]),
        observed_share=_mean(store.column("observed_share", stretch)[filled]),
        size_bytes=store.size_bytes(),
        objects=store.objects(),
        quality=store.quality,
    )


def gap_text(gap: Gap) -> str:
    """A gap as people read it; a single slot is one time."""
    first, last = gap
    return clock(first) if first == last else f"{clock(first)} to {clock(last)}"


def gap_lines(gaps: tuple[Gap, ...]) -> list[str]:
    """Each gap where they are few; else how many, the longest and the first few."""
    if len(gaps) <= ALL_TOLD:
        return [gap_text(gap) for gap in gaps]
    longest = max(gaps, key=lambda gap: gap[1] - gap[0])
    first = [gap_text(gap) for gap in gaps[:FIRST_TOLD]]
    more = f"and {len(gaps) - FIRST_TOLD} more"
    return [f"{len(gaps)} gaps, the longest {gap_text(longest)}", *first, more]


def _known(
    store: Store, start: np.datetime64 | None, end: np.datetime64 | None
) -> tuple[slice, NDArray[np.int8]]:
    within = slice(0, len(store))
    if len(store) and (start is not None or end is not None):
        within = store.slots_between(
            store.times[0] if start is None else start, store.times[-1] if end is None else end
        )
    status = store.column("status", within)
    known = known_stretch(status)
    return slice(within.start + known.start, within.start + known.stop), status[known]


def _percent(share: float, of_what: str) -> str:
    return "unknown" if np.isnan(share) else f"{share:.1%} {of_what}"


def _mean(shares: NDArray[np.float32]) -> float:
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if known.size else float("nan")

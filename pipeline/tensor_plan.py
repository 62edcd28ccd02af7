"""What a tensor set of a store will hold, decided before any frame is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_catalog.catalog import load_catalog
from data_catalog.product import Period
from pipeline.changes import contents
from pipeline.layout import STATUSES
from pipeline.manifest import VERSION, Acceptance, Manifest, SplitCount
from pipeline.store import FILLED, Store
from pipeline.windows import (
    SPLITS,
    Splits,
    WindowRule,
    as_datetime,
    assign_splits,
    find_windows,
    split_periods,
    usual_guard,
)


@dataclass(frozen=True, eq=False)
class TensorPlan:
    """Which slots of a store make a tensor set, and where each window begins.

    Args:
        times: (N,) valid times of the slots used, ascending.
        slots: (N,) the slots used.
        contents: (M,) `contents` of all slots from the first used to the last.
        start: (W,) first frame of each window, split by split, in time order in each.
        split: (W,) index into SPLITS, ascending.
        manifest: What the set will say of itself.
    """

    times: NDArray[np.datetime64]
    slots: NDArray[np.int64]
    contents: NDArray[np.uint64]
    start: NDArray[np.int64]
    split: NDArray[np.int8]
    manifest: Manifest

    @classmethod
    def of(
        cls, store: Store, rule: WindowRule, splits: Splits | None, acceptance: Acceptance
    ) -> TensorPlan:
        """Plan the windows of a store.

        Raises:
            ValueError: If a split holds no window.
        """
        times, status = store.times, store.status
        observed = np.isin(status, FILLED)
        starts = find_windows(observed, rule)
        if not starts.size:
            raise ValueError(
                f"{store.address}: expected {rule.length} frames in a row, found none among "
                f"{np.count_nonzero(observed)} observed; ingest more frames"
            )
        splits = splits or _usual_splits(store.product, times, observed, rule)
        codes = assign_splits(times[starts], times[starts + rule.length - 1], splits)
        _check_every_split(store, rule, splits, codes)
        order = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
        starts, codes = starts[order], codes[order]
        slots = np.unique(starts[:, None] + np.arange(rule.length))
        stretch = slice(int(slots[0]), int(slots[-1]) + 1)
        return cls(
            times[slots],
            slots,
            contents(store, stretch),
            np.searchsorted(slots, starts),
            codes,
            _manifest(store, rule, _counts(splits, codes), acceptance, stretch, slots.size),
        )

    def pieces(self, begin: int, length: int, multiple: int) -> Iterator[range]:
        """Frames from `begin` on in ranges of consecutive slots, up to `length` in each.

        Where `multiple` slots share an object of the store, ranges end between objects.
        """
        step = max(length // multiple * multiple, 1) if length >= multiple else length
        slots = self.slots[begin:]
        cuts = np.flatnonzero((np.diff(slots) > 1) | (slots[1:] % step == 0)) + 1
        bounds = [0, *cuts.tolist(), slots.size]
        for first, stop in pairwise(bounds):
            if stop > first:
                yield range(begin + first, begin + stop)


def absolute(address: str) -> str:
    """The address of a store that holds in every working folder."""
    scheme, found, rest = address.partition(":")
    if not found:
        return str(Path(address).resolve())
    return address if rest.startswith("//") else f"{scheme}:{Path(rest).resolve()}"


def _usual_splits(
    product: str, times: NDArray[np.datetime64], observed: NDArray[np.bool_], rule: WindowRule
) -> Splits:
    known = load_catalog().products
    if product in known and known[product].splits:
        return known[product].splits
    return split_periods(times, observed, rule, guard=usual_guard(times[observed]))


def _check_every_split(
    store: Store, rule: WindowRule, splits: Splits, codes: NDArray[np.int8]
) -> None:
    for name, periods in splits.items():
        if not np.any(codes == SPLITS.index(name)):
            named = ", ".join(f"{p.start:%Y-%m-%d %H:%M} – {p.end:%Y-%m-%d %H:%M}" for p in periods)
            raise ValueError(
                f"{store.address}: expected windows in every split, found no {rule.length} frames "
                f"in a row for {name} ({named}); name other periods or ingest more frames"
            )


def _counts(splits: Splits, codes: NDArray[np.int8]) -> dict[str, SplitCount]:
    return {
        name: SplitCount(
            periods=tuple(periods), windows=int(np.count_nonzero(codes == SPLITS.index(name)))
        )
        for name, periods in splits.items()
    }


def _manifest(
    store: Store,
    rule: WindowRule,
    splits: dict[str, SplitCount],
    acceptance: Acceptance,
    stretch: slice,
    frames: int,
) -> Manifest:
    height, width = store.grid.shape
    counts = np.bincount(store.column("status", stretch), minlength=len(STATUSES))
    return Manifest.model_validate(
        {
            "version": VERSION,
            "product": store.product,
            "cadence_minutes": float(store.cadence / np.timedelta64(1, "m")),
            "zr_a": store.zr.a,
            "zr_b": store.zr.b,
            "pixel_m": store.grid.pixel_m,
            "frames": frames,
            "height": height,
            "width": width,
            "period": Period(
                start=as_datetime(store.times[stretch.start]),
                end=as_datetime(store.times[stretch.stop - 1]),
            ),
            "past": rule.past,
            "future": rule.future,
            "splits": splits,
            "store": absolute(store.address),
            "store_fingerprint": store.fingerprint(stretch),
            "store_snapshot": store.snapshot,
            "statuses": dict(zip(STATUSES, counts.tolist(), strict=True)),
            "acceptance": acceptance,
        }
    )

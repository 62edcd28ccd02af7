"""Make a tensor set of a store: every used frame once, and a table of its windows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_catalog.catalog import load_catalog
from data_catalog.product import Period
from pipeline.manifest import VERSION, Acceptance, Manifest, SplitCount
from pipeline.packing import MISSING
from pipeline.store import Store
from pipeline.tensor_set import TensorSet
from pipeline.wetness import block_means, saturation
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

__all__ = ["Acceptance", "TensorSet", "WindowRule", "build_tensors"]

COPY_BYTES = 64 * 2**20


def build_tensors(
    store: Store,
    out: Path,
    rule: WindowRule | None = None,
    splits: Splits | None = None,
    acceptance: Acceptance | None = None,
) -> TensorSet:
    """Write the tensor set of a store into a folder, whole or not at all.

    A folder that holds the same already is left as it is; one that holds another tensor set is
    replaced.

    Args:
        store: Where the frames are.
        out: The folder to be.
        rule: What a window is.
        splits: Whole periods; by default the catalog's, else `split_periods` of the record.
        acceptance: How training will draw.

    Raises:
        ValueError: If a split holds no window.
        FileExistsError: If something else stands at `out`.
    """
    rule, acceptance = rule or WindowRule(), acceptance or Acceptance()
    plan = _Plan.of(store, rule, splits)
    manifest = plan.manifest(store, rule, acceptance)
    if out.exists():
        if _holds(out, manifest):
            return TensorSet.open(out)
        if not (out / "manifest.json").exists() and any(out.iterdir()):
            raise FileExistsError(f"{out}: expected a tensor set to replace, found something else")
    new = out.with_name(f".{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _write(new, store, plan, manifest)
        shutil.rmtree(out, ignore_errors=True)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return TensorSet.open(out)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which slots of the store are used, and where each window begins."""

    times: NDArray[np.datetime64]
    slots: NDArray[np.int64]
    first_slots: NDArray[np.int64]
    codes: NDArray[np.int8]
    splits: Splits

    @classmethod
    def of(cls, store: Store, rule: WindowRule, splits: Splits | None) -> _Plan:
        times, observed = store.times, store.observed
        starts = find_windows(observed, rule)
        if not starts.size:
            raise ValueError(
                f"{store.path}: expected {rule.length} frames in a row, found none among "
                f"{np.count_nonzero(observed)} observed; ingest more frames"
            )
        splits = splits or _usual_splits(store.product, times, observed, rule)
        codes = assign_splits(times[starts], times[starts + rule.length - 1], splits)
        for name, periods in splits.items():
            if not np.any(codes == SPLITS.index(name)):
                named = ", ".join(
                    f"{p.start:%Y-%m-%d %H:%M} – {p.end:%Y-%m-%d %H:%M}" for p in periods
                )
                raise ValueError(
                    f"{store.path}: expected windows in every split, found no {rule.length} frames "
                    f"in a row for {name} ({named}); name other periods or ingest more frames"
                )
        starts, codes = starts[codes >= 0], codes[codes >= 0]
        slots = np.unique(starts[:, None] + np.arange(rule.length))
        return cls(times, slots, starts, codes, splits)

    def manifest(self, store: Store, rule: WindowRule, acceptance: Acceptance) -> Manifest:
        first, last = self.times[self.slots[[0, -1]]]
        height, width = store.grid.shape
        return Manifest(
            version=VERSION,
            product=store.product,
            cadence_minutes=float(store.cadence / np.timedelta64(1, "m")),
            zr_a=store.zr.a,
            zr_b=store.zr.b,
            pixel_m=store.grid.pixel_m,
            frames=self.slots.size,
            height=height,
            width=width,
            period=Period(start=as_datetime(first), end=as_datetime(last)),
            past=rule.past,
            future=rule.future,
            splits={
                name: SplitCount(
                    periods=tuple(periods),
                    windows=int(np.count_nonzero(self.codes == SPLITS.index(name))),
                )
                for name, periods in self.splits.items()
            },
            store_fingerprint=store.fingerprint(),
            acceptance=acceptance,
        )


def _usual_splits(
    product: str, times: NDArray[np.datetime64], observed: NDArray[np.bool_], rule: WindowRule
) -> Splits:
    known = load_catalog().products
    if product in known and known[product].splits:
        return known[product].splits
    return split_periods(times, observed, rule, guard=usual_guard(times[observed]))


def _holds(out: Path, manifest: Manifest) -> bool:
    try:
        return TensorSet.open(out).manifest == manifest
    except (FileNotFoundError, ValueError):
        return False


def _write(folder: Path, store: Store, plan: _Plan, manifest: Manifest) -> None:
    shape = (manifest.frames, manifest.height, manifest.width)
    frames = np.lib.format.open_memmap(folder / "frames.npy", "w+", np.int16, shape)
    wet, seen = [], []
    saturated = saturation(store.zr, manifest.acceptance.saturation)
    for at, packed in _copies(store, plan.slots):
        frames[at : at + len(packed)] = packed
        wet.append(block_means(saturated[packed.view(np.uint16)], manifest.acceptance.block))
        seen.append(block_means(packed != MISSING, manifest.acceptance.block))
    frames.flush()
    start = np.searchsorted(plan.slots, plan.first_slots)
    issue = plan.first_slots + manifest.past - 1
    length = manifest.past + manifest.future
    wetness = np.concatenate(wet)
    np.savez(
        folder / "windows.npz",
        start=start,
        split=plan.codes,
        issue_time=plan.times[issue],
        wetness=np.mean([wetness[start + k] for k in range(length)], axis=0, dtype=np.float16),
        seen=np.concatenate(seen)[start + manifest.past - 1].astype(np.float16),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=2), "utf-8")


def _copies(store: Store, slots: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Places in frames.npy with what belongs there, a bounded number of frames at a time."""
    most = max(1, COPY_BYTES // (2 * store.grid.shape[0] * store.grid.shape[1]))
    for run in np.split(np.arange(slots.size), np.flatnonzero(np.diff(slots) > 1) + 1):
        for at in range(int(run[0]), int(run[-1]) + 1, most):
            count = min(most, int(run[-1]) + 1 - at)
            yield at, store.read(int(slots[at]), int(slots[at]) + count)

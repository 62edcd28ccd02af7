"""Make a tensor set of a store: every used frame once, and a table of its windows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.changes import number_of
from pipeline.clock import clock
from pipeline.intensities import Intensities, count_intensities
from pipeline.manifest import NAME, Acceptance
from pipeline.packed_frame import content_hash
from pipeline.places.lock import locked
from pipeline.prefetch import prefetch
from pipeline.store import Store
from pipeline.tensor_plan import TensorPlan
from pipeline.tensor_set import CONTENTS, SEEN, WETNESS, WINDOWS, TensorSet
from pipeline.unfinished import COUNTS, MEANS, RECORD, Progress, Unfinished, npy_header
from pipeline.wetness import saturation, wet_and_seen
from pipeline.windows import SPLITS, Splits, WindowRule

__all__ = ["Acceptance", "TensorSet", "WindowRule", "build_tensors"]

PIECE_BYTES = 16 * 2**20
THREADS = 2


def build_tensors(
    store: Store,
    out: Path,
    rule: WindowRule | None = None,
    splits: Splits | None = None,
    acceptance: Acceptance | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TensorSet:
    """Write the tensor set of a store into a folder, whole or not at all.

    A folder that holds the same already is left as it is; one that holds another tensor set, or
    one of frames that changed since, is replaced. A build that was cut goes on where it was, from
    the hidden folder beside; frames newer than its period do not make it begin anew.

    Memory: six pieces of PIECE_BYTES or one frame each, whichever is more, and some
    hundred bytes a frame.

    Args:
        store: Where the frames are.
        out: The folder to be.
        rule: What a window is.
        splits: Whole periods; by default the catalog's, else `split_periods` of the record.
        acceptance: How training will draw.
        progress: Called with the number of frames done and of all.

    Raises:
        ValueError: If a split holds no window, or a frame is damaged or changed meanwhile.
        FileExistsError: If something else stands at `out`.
        BlockingIOError: If another process is building this set.
    """
    rule, acceptance = rule or WindowRule(), acceptance or Acceptance()
    plan = TensorPlan.of(store, rule, splits, acceptance)
    if _holds(out, plan):
        return TensorSet.open(out)
    if out.exists() and not (out / NAME).exists() and any(out.iterdir()):
        raise FileExistsError(f"{out}: expected a tensor set to replace, found something else")
    with _lock(out):
        folder = out.with_name(f".{out.name}.new")
        if splits is None:
            plan = _begun(folder, store, plan) or plan
        unfinished = Unfinished(folder, plan.manifest, named=splits is not None)
        _copy(store, plan, unfinished, progress or (lambda _done, _all: None))
        _finish(unfinished, plan)
        _replace(out, folder)
    return TensorSet.open(out)


def _holds(out: Path, plan: TensorPlan) -> bool:
    """Whether the set is there; its manifest names the store's present address then."""
    try:
        found = TensorSet.open(out).manifest
    except (FileNotFoundError, ValueError):
        return False
    if found.content() != plan.manifest.content():
        return False
    if found.store != plan.manifest.store:
        intensities = {"training_intensities": found.training_intensities}
        plan.manifest.model_copy(update=intensities).write(out)
    return True


def _begun(folder: Path, store: Store, plan: TensorPlan) -> TensorPlan | None:
    """The plan of the build that was cut there, if the store then chose the same frames."""
    found = Progress.read(folder)
    if found is None or found.named:
        return None
    manifest = plan.manifest
    splits = {name: split.periods for name, split in found.manifest.splits.items()}
    rule = WindowRule(manifest.past, manifest.future)
    try:
        begun = TensorPlan.of(store, rule, splits, manifest.acceptance)
    except ValueError:
        return None
    return begun if begun.manifest.content() == found.manifest.content() else None


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    try:
        with locked(out):
            yield
    except BlockingIOError as error:
        raise BlockingIOError(
            f"{out}: another process is building this tensor set; try again when it is done"
        ) from error


def _copy(
    store: Store, plan: TensorPlan, unfinished: Unfinished, progress: Callable[[int, int], None]
) -> None:
    """Append the frames that are still to come, read and weighed ahead by threads."""
    manifest = plan.manifest
    saturated = saturation(store.zr, manifest.acceptance.saturation)

    def read(piece: range) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.uint32]]:
        packed = _read(store, plan, piece)
        means = wet_and_seen(packed, saturated, manifest.acceptance.block)
        return packed, means, count_intensities(packed, store.zr)

    length = max(1, PIECE_BYTES // (2 * manifest.height * manifest.width))
    pieces = plan.pieces(unfinished.done, length, store.shard or 1)
    progress(unfinished.done, manifest.frames)
    with unfinished.writing():
        for packed, means, counts in prefetch(read, pieces, THREADS):
            unfinished.append(packed, means, counts)
            progress(unfinished.done, manifest.frames)


def _read(store: Store, plan: TensorPlan, piece: range) -> NDArray[np.int16]:
    """The frames of a piece, each the one that was planned."""
    first = int(plan.slots[piece.start])
    try:
        packed = store.read(first, first + len(piece))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{store.address}: a frame from {clock(plan.times[piece.start])} to "
            f"{clock(plan.times[piece.stop - 1])} is damaged; run `nowcast check {store.address}`"
        ) from error
    expected = plan.contents[first - int(plan.slots[0]) :]
    for at, frame, number in zip(piece, packed, expected, strict=False):
        if number_of(content_hash(frame)) != number:
            raise ValueError(
                f"{store.address}: the frame of {clock(plan.times[at])} is not the one that was "
                "stored when the build began; build again, and if this comes back run "
                f"`nowcast check {store.address}`"
            )
    return packed


def _replace(out: Path, folder: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _finish(unfinished: Unfinished, plan: TensorPlan) -> None:
    """Write all but the frames, and let the folder be a tensor set."""
    folder = unfinished.folder
    manifest = plan.manifest.model_copy(
        update={"training_intensities": _training_intensities(unfinished, plan)}
    )
    latest = plan.start + manifest.past - 1
    np.savez(folder / WINDOWS, start=plan.start, split=plan.split, issue_time=plan.times[latest])
    np.save(folder / CONTENTS, plan.contents)
    with (folder / WETNESS).open("wb") as wetness, (folder / SEEN).open("wb") as seen:
        for file in (wetness, seen):
            file.write(npy_header("<f2", (plan.start.size, *unfinished.blocks[1:])))
        for wet, known in _window_means(unfinished, plan, latest):
            wetness.write(wet.astype("<f2").data)
            seen.write(known.astype("<f2").data)
    manifest.write(folder)
    for name in (MEANS, COUNTS, RECORD):
        (folder / name).unlink()


def _training_intensities(unfinished: Unfinished, plan: TensorPlan) -> Intensities:
    manifest = plan.manifest
    starts = plan.start[plan.split == SPLITS.index("train")]
    seen = np.zeros(plan.times.size, bool)
    for step in range(manifest.past + manifest.future):
        seen[starts + step] = True
    return Intensities.of(plan.times[seen], unfinished.counts()[seen])


def _window_means(
    unfinished: Unfinished, plan: TensorPlan, latest: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Wetness and seen of windows (w, h, w), a bounded number at a time."""
    length = unfinished.progress.manifest.past + unfinished.progress.manifest.future
    most = max(1, PIECE_BYTES // (4 * int(np.prod(unfinished.blocks))))
    for first in range(0, latest.size, most):
        own = slice(first, first + most)
        means = unfinished.means()
        wet = np.sum([means[plan.start[own] + k, 0] for k in range(length)], axis=0) / length
        yield wet, means[latest[own], 1]

"""Files into a store, safe to repeat: good files go in, each bad one gets its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np

from data_catalog.catalog import Catalog, load_catalog
from data_catalog.product import Product
from pipeline.decoding import DecodedFile, Progress, decode_all
from pipeline.ingest_report import IngestReport
from pipeline.readers import READERS
from pipeline.store import Store, clock, format_cadence, nearest_slot_time
from pipeline.writer import PackedFrame, StoreWriter

BATCH = 64
HEAD = 8
ANYONES_FORMATS = ("cf_netcdf",)


def ingest(
    paths: Iterable[Path],
    store: Path,
    *,
    product: str | None = None,
    reader: str | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> IngestReport:
    """Read files and fill the store's slots with their frames; make the store if there is none.

    The order of the paths does not matter. Two files that give one valid time different pixels
    contradict each other: the second by name is refused. In a later call it is a revision.

    Args:
        paths: Files, each of one format that READERS knows.
        store: Where the store is or will be.
        product: A catalog entry; by default the store's own, else the one that fits the files.
        reader: A name in READERS; by default the product's, else what the file's content says.
        workers: Threads that decode.
        progress: Called with the files done and the files in all.

    Raises:
        ValueError: If the product or the reader is unknown, or cannot be told from the files.
        BlockingIOError: If another process is writing to the store.
    """
    report = IngestReport(store)
    ordered = sorted(set(paths), key=lambda path: (path.name, str(path)))
    entry = _entry(product, store, load_catalog())
    reader = reader or (entry.reader if entry else None)
    if reader is not None and reader not in READERS:
        raise ValueError(f"no reader {reader!r}; there are {sorted(READERS)}")
    decoded = decode_all(ordered, reader, workers, report.refuse, progress)
    create = None
    if not store.exists():
        head = list(islice(decoded, HEAD))
        if not head:
            return report
        decoded = chain(head, decoded)
        create = partial(_create, store, head, entry)
    with StoreWriter(store, create) as writer, ThreadPoolExecutor(1) as background:
        writing: Future[None] | None = None
        for batch in _batches(decoded, writer.store, entry, report):
            if writing:
                writing.result()
            writing = background.submit(_fill, writer, batch, report)
        if writing:
            writing.result()
    report.refused.sort(key=lambda refusal: refusal.path)
    return report


def _entry(product: str | None, store: Path, catalog: Catalog) -> Product | None:
    if product is not None:
        return catalog.product(product)
    if store.exists():
        return catalog.products.get(Store.open(store).product)
    return None


def _create(store: Path, head: Sequence[DecodedFile], entry: Product | None) -> None:
    first = head[0]
    times = np.unique([frame.valid_time for file in head for frame in file.frames])
    cadence = np.diff(times).min() if len(times) > 1 else None
    entry = entry or _recognise(first, cadence)
    if entry is not None:
        cadence = np.timedelta64(entry.cadence)
    if cadence is None:
        raise ValueError(
            f"{first.path}: one frame does not tell the cadence; name the product with --product"
        )
    Store.create(
        store,
        first.grid,
        first.zr,
        product=entry.name if entry else first.reader,
        cadence=cadence,
        licence=entry.licence if entry else "unknown",
    )


def _recognise(first: DecodedFile, cadence: np.timedelta64 | None) -> Product | None:
    """The catalog entry that files of this reader and cadence belong to."""
    if first.reader in ANYONES_FORMATS:
        return None
    fitting = [
        product
        for product in load_catalog().products.values()
        if product.reader == first.reader
        and (cadence is None or np.timedelta64(product.cadence) == cadence)
    ]
    if len(fitting) > 1:
        names = ", ".join(product.name for product in fitting)
        raise ValueError(f"{first.path}: may be any of {names}; name one with --product")
    return fitting[0] if fitting else None


def _batches(
    decoded: Iterable[DecodedFile], store: Store, entry: Product | None, report: IngestReport
) -> Iterator[list[tuple[Path, PackedFrame]]]:
    """Frames that fit the store, some at a time; no valid time twice."""
    tolerance = np.timedelta64(entry.tolerance_seconds if entry else 0, "s")
    seen: dict[np.datetime64, tuple[Path, str]] = {}
    batch: list[tuple[Path, PackedFrame]] = []
    origin: np.datetime64 | None = store.times[0] if len(store) else None
    for file in decoded:
        try:
            _check_fit(file, store)
            origin = origin or file.frames[0].valid_time
            frames = [_on_raster(frame, origin, store.cadence, tolerance) for frame in file.frames]
            _check_times(file.path, frames, seen)
        except ValueError as error:
            report.refuse(file.path, error)
            continue
        batch.extend((file.path, frame) for frame in frames if frame.valid_time not in seen)
        seen.update({frame.valid_time: (file.path, frame.content_hash) for frame in frames})
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_fit(file: DecodedFile, store: Store) -> None:
    if difference := store.grid.difference(file.grid):
        raise ValueError(f"expected the store's grid of {difference}")
    if file.zr != store.zr:
        raise ValueError(
            f"expected the store's Z–R relation a={store.zr.a:g}, b={store.zr.b:g}, "
            f"found a={file.zr.a:g}, b={file.zr.b:g}"
        )


def _check_times(
    path: Path,
    frames: Sequence[PackedFrame],
    seen: Mapping[np.datetime64, tuple[Path, str]],
) -> None:
    for frame in frames:
        other, content_hash = seen.get(frame.valid_time, (path, frame.content_hash))
        if content_hash != frame.content_hash:
            raise ValueError(
                f"{clock(frame.valid_time)} was already given by {other.name} with other pixels; "
                "ingest the right one alone"
            )


def _on_raster(
    frame: PackedFrame,
    origin: np.datetime64,
    cadence: np.timedelta64,
    tolerance: np.timedelta64,
) -> PackedFrame:
    """The frame at the slot nearest to its time.

    Raises:
        ValueError: If the slot is further away than the tolerance.
    """
    nearest = nearest_slot_time(frame.valid_time, origin, cadence)
    if abs(frame.valid_time - nearest) > tolerance:
        raise ValueError(
            f"expected a valid time every {format_cadence(cadence)[2:]} from {clock(origin)}, "
            f"found {clock(frame.valid_time)}; the nearest slot is {clock(nearest)}"
        )
    return replace(frame, valid_time=nearest)


def _fill(
    writer: StoreWriter, batch: Sequence[tuple[Path, PackedFrame]], report: IngestReport
) -> None:
    outcomes = writer.fill([frame for _, frame in batch])
    report.frames.update(outcomes)
    for (path, frame), outcome in zip(batch, outcomes, strict=True):
        if outcome == "refused":
            report.refuse(path, ValueError(frame.implausible))
        elif outcome == "revised":
            replaced = writer.replaced[frame.valid_time]
            report.revised.append(
                f"{path}: replaces the frame of {clock(frame.valid_time)}, "
                f"hash {replaced} becomes {frame.content_hash}"
            )

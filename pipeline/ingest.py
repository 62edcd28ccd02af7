"""Files into a store, safe to repeat: good files go in, each bad one gets its sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np

from data_catalog.catalog import Catalog, load_catalog
from data_catalog.product import Product
from pipeline.clock import clock
from pipeline.decoding import DecodedFile, Job, Refused
from pipeline.fitting import Fitting
from pipeline.ingest_report import IngestReport
from pipeline.layout import Order, slots_per_shard
from pipeline.new_store import create_for
from pipeline.packed_frame import PackedFrame
from pipeline.places import Address, place_of
from pipeline.quality_steps import Wanted
from pipeline.readers import READERS, is_archive
from pipeline.store import Store
from pipeline.workers import ClusterCrew, Crew, LocalCrew
from pipeline.writer import StoreWriter

BATCH = 128
HEAD = 8

Progress = Callable[[int, int], None]
Batch = list[tuple[Path, PackedFrame]]


def ingest(
    paths: Iterable[Path],
    store: Address,
    *,
    product: str | None = None,
    reader: str | None = None,
    workers: int | None = None,
    dask: str | None = None,
    quality: Sequence[str] | None = None,
    now: np.datetime64 | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Read files and fill the store's slots with their frames; make the store if there is none.

    Neither the order of the paths nor who decodes them changes what the store holds. Two files
    that give one valid time different pixels contradict each other: the second by name is
    refused. In a later call it is a revision.

    Args:
        paths: Files, each of one format that READERS knows.
        store: Where the store is or will be.
        product: A catalog entry; by default the store's own, else the one that fits the files.
        reader: A name in READERS; by default the product's, else what the file's content says.
        workers: How many decode at once; by default one for each processor. Many files are
            decoded in processes of their own, a few in threads.
        dask: Address of a Dask scheduler whose workers decode instead.
        quality: Steps between file and store, see `pipeline.quality_steps`; by default the
            product's, else those of the store. A store keeps the steps that it began with.
        now: The time, UTC; by default the clock's. Frames of more than a day later are refused.
        progress: Called with the files done and the files in all.

    Raises:
        ValueError: If the product, the reader or a quality step is unknown, the product cannot be
            told from the files, or the store began with other quality steps.
        BlockingIOError: If another process is writing to the store.
        ConnectionError: If there is no such Dask cluster.
        OSError: If the store cannot be written; ingest the same files again then.
    """
    report = IngestReport(str(store))
    ordered = sorted(set(paths), key=lambda path: (path.name, str(path)))
    known = Store.open(store) if place_of(store).exists() else None
    entry = _entry(product, known, load_catalog())
    if reader is not None and reader not in READERS:
        raise ValueError(f"no reader {reader!r}; there are {sorted(READERS)}")
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None)) if now is None else now
    wanted = Wanted(quality)
    if known is not None:
        wanted.chain_of(known, entry)
    usual = entry.reader if entry else None
    jobs = [Job(path, _reader_of(path, reader, usual)) for path in ordered]
    with ClusterCrew(dask) if dask else LocalCrew(workers or _processors()) as crew:
        order, outcomes = _scan(jobs, known, crew)
        decoded = _readable(outcomes, len(ordered), report, progress)
        create = None
        if known is None:
            head = list(islice(decoded, HEAD))
            if not head:
                return report
            decoded = chain(head, decoded)
            create = partial(create_for, store, head, entry, order, wanted)
        with _naming(store, report), StoreWriter(store, create) as writer:
            tolerance = np.timedelta64(entry.tolerance_seconds if entry else 0, "s")
            fitting = Fitting(writer.store, tolerance, now, wanted.chain_of(writer.store, entry))
            _fill_all(writer, _batches(decoded, fitting, writer.store.cadence, report), report)
    report.refused.sort(key=lambda refusal: refusal.path)
    return report


def _reader_of(path: Path, named: str | None, usual: str | None) -> str | None:
    """The reader that was named; an archive has its own, whatever its product's files have."""
    return named or ("cf_zarr" if is_archive(path) else usual)


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _entry(product: str | None, known: Store | None, catalog: Catalog) -> Product | None:
    if product is not None:
        return catalog.product(product)
    return catalog.products.get(known.product) if known is not None else None


def _scan(
    jobs: Sequence[Job], known: Store | None, crew: Crew
) -> tuple[Order, Iterator[DecodedFile | Refused]]:
    """The store's order of scan, of a new one that which suits the first readable file; with what
    became of each file.
    """
    refused: list[Refused] = []
    order: Order = known.order if known is not None else "C"
    for job in jobs if known is None else ():
        outcome = next(crew.decode([job]))
        if isinstance(outcome, DecodedFile):
            order = outcome.best_order()
            break
        refused.append(outcome)
    rest = [job._replace(order=order) for job in jobs[len(refused) :]]
    return order, chain(refused, crew.decode(rest))


def _readable(
    outcomes: Iterable[DecodedFile | Refused],
    files: int,
    report: IngestReport,
    progress: Progress | None,
) -> Iterator[DecodedFile]:
    done = 0
    for outcome in outcomes:
        if isinstance(outcome, Refused):
            report.refuse(outcome.path, outcome.reason)
        else:
            yield outcome
        if isinstance(outcome, Refused) or outcome.is_last:
            done += 1
            if progress:
                progress(min(done, files), files)


@contextmanager
def _naming(store: Address, report: IngestReport) -> Iterator[None]:
    """Says of which store an error of the system is, and what is safe."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        written = sum(report.frames.values())
        raise OSError(
            f"{store}: expected to write frames, found {error}; {written} are in the store for "
            "good, mend the cause and ingest the same files again"
        ) from error


def _batches(
    decoded: Iterable[DecodedFile],
    fitting: Fitting,
    cadence: np.timedelta64,
    report: IngestReport,
) -> Iterator[Batch]:
    """Frames that fit the store, some at a time, whole shards where they come in order."""
    length = slots_per_shard(cadence) * cadence
    batch: Batch = []
    for file in decoded:
        try:
            frames = fitting.frames(file)
        except ValueError as error:
            report.refuse(file.path, str(error))
            continue
        for frame in frames:
            shard = _shard_of(frame, length)
            if len(batch) >= BATCH and shard != _shard_of(batch[-1][1], length):
                yield batch
                batch = []
            batch.append((file.path, frame))
    if batch:
        yield batch


def _shard_of(frame: PackedFrame, length: np.timedelta64) -> int:
    return int((frame.valid_time - np.datetime64(0, "ns")) // length)


def _fill_all(writer: StoreWriter, batches: Iterable[Batch], report: IngestReport) -> None:
    """Write one batch while the next is decoded."""
    with ThreadPoolExecutor(1) as background:
        writing: Future[None] | None = None
        for batch in batches:
            if writing:
                writing.result()
            writing = background.submit(_fill, writer, batch, report)
        if writing:
            writing.result()


def _fill(writer: StoreWriter, batch: Batch, report: IngestReport) -> None:
    outcomes = writer.fill([frame for _, frame in batch])
    report.frames.update(outcomes)
    for (path, frame), outcome in zip(batch, outcomes, strict=True):
        if outcome == "refused":
            report.refuse(path, frame.implausible or outcome)
        elif outcome == "revised":
            replaced = writer.replaced[frame.valid_time]
            report.revised.append(
                f"{path}: replaces the frame of {clock(frame.valid_time)}, "
                f"hash {replaced} becomes {frame.content_hash}"
            )

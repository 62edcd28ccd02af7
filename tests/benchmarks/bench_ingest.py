"""Ingest of real events against only decoding the same files, in one run: seconds and memory."""

from __future__ import annotations

import gzip
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from threading import Event, Thread

import h5py
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pipeline.ingest import ingest
from pipeline.readers import READERS, sniff

EVENTS = {
    "fmi": "fmi_pgm/20160928",
    "mch": "mch_gif/20150515",
    "knmi": "knmi_hdf5/20100826",
    "bom_melbourne": "bom_netcdf/melbourne_20180616",
}
ROUNDS = 5
ARCHIVE_FILES = 800


def read(file: Path) -> None:
    READERS[sniff(file)](file)


def decode_only(files: list[Path], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, files))


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def event_files(data_dir: Path, product: str) -> list[Path]:
    return sorted((data_dir / "radar" / EVENTS[product]).iterdir())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("new", [False, True], ids=["into a store", "into a new store"])
@pytest.mark.parametrize("product", EVENTS)
def test_ingest_takes_little_more_than_decoding(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    data_dir: Path,
    product: str,
    workers: int,
    *,
    new: bool,
) -> None:
    first, *files = event_files(data_dir, product)
    decode_only(files, workers)
    stores = [tmp_path / f"{n}.zarr" for n in range(ROUNDS + 1)]
    for store in stores if not new else ():
        ingest([first], store, product=product)
    decoding: list[float] = []

    def decode_then_pop() -> tuple[tuple[Path], dict[str, object]]:
        decoding.append(seconds_of(lambda: decode_only(files, workers)))
        return (stores.pop(),), {}

    with peak_memory() as peak:
        benchmark.pedantic(
            lambda store: ingest(files, store, product=product, workers=workers),
            setup=decode_then_pop,
            rounds=ROUNDS,
            warmup_rounds=1,
        )
    ratio = benchmark.stats.stats.median / median(decoding)
    benchmark.extra_info |= {"decode_s": median(decoding), "ratio": ratio, "peak_mb": peak[0]}
    print(f"\n{product}, new store {new}, {workers} workers: {benchmark.extra_info}")  # noqa: T201


@pytest.mark.parametrize("product", EVENTS)
def test_one_more_frame(
    benchmark: BenchmarkFixture, tmp_path: Path, data_dir: Path, product: str
) -> None:
    files = event_files(data_dir, product)
    store = tmp_path / "s.zarr"
    ingest(files[: -ROUNDS - 1], store, product=product)
    waiting = iter(files[-ROUNDS - 1 :])
    benchmark.pedantic(
        lambda: ingest([next(waiting)], store, product=product), rounds=ROUNDS, warmup_rounds=1
    )


@pytest.mark.parametrize("product", ["fmi", "mch", "knmi"])
def test_two_workers_read_an_archive_faster_than_one(
    benchmark: BenchmarkFixture, tmp_path: Path, data_dir: Path, product: str
) -> None:
    first, *files = archive_of(tmp_path / "archive", event_files(data_dir, product), product)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    memory: dict[int, float] = {}

    def pass_with(workers: int) -> None:
        store = tmp_path / "s.zarr"
        ingest([first], store, product=product)
        with peak_memory() as peak:
            took = seconds_of(lambda: ingest(files, store, product=product, workers=workers))
        seconds[workers].append(took)
        memory[workers] = peak[0]
        shutil.rmtree(store)

    benchmark.pedantic(lambda: [pass_with(1), pass_with(2)], rounds=3)
    ratio = median(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
    benchmark.extra_info |= {"files": len(files), "speed_up": ratio, "peak_mb": memory}
    print(f"\n{product}: {benchmark.extra_info}, seconds {seconds}")  # noqa: T201


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Growth in MB of this process and its descendants, shared pages counted once."""
    before, ended, peak = family_mb(), Event(), [0.0]

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], family_mb() - before)

    watching = Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        ended.set()
        watching.join()


def family_mb(process: str = "self") -> float:
    folder = Path("/proc", process)
    found = re.search(r"^Pss:\s+(\d+)", read_if_there(folder / "smaps_rollup"), re.MULTILINE)
    tasks = [read_if_there(folder / "task" / task / "children") for task in tasks_of(folder)]
    children = [child for task in tasks for child in task.split()]
    return (int(found[1]) / 1024 if found else 0.0) + sum(map(family_mb, children))


def tasks_of(folder: Path) -> list[str]:
    try:
        return [task.name for task in (folder / "task").iterdir()]
    except OSError:
        return []


def read_if_there(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def archive_of(folder: Path, event: list[Path], product: str) -> list[Path]:
    """Copies of an event on as many days as make ARCHIVE_FILES files."""
    folder.mkdir()
    shift = {"fmi": shifted_fmi, "mch": shifted_mch, "knmi": shifted_knmi}[product]
    for day in range(-(-ARCHIVE_FILES // len(event))):
        for file in event:
            shift(file, folder, timedelta(days=day))
    return sorted(folder.iterdir())


def shifted_fmi(file: Path, folder: Path, by: timedelta) -> None:
    content = gzip.decompress(file.read_bytes())
    stamp = re.search(rb"# obstime (\d{12})", content)
    assert stamp is not None
    time_ = datetime.strptime(stamp[1].decode(), "%Y%m%d%H%M") + by
    moved = f"{time_:%Y%m%d%H%M}".encode()
    content = content.replace(stamp[0], b"# obstime " + moved, 1)
    (folder / f"{moved.decode()}.pgm.gz").write_bytes(gzip.compress(content, 6))


def shifted_mch(file: Path, folder: Path, by: timedelta) -> None:
    stamp = file.name[3:12]
    moved = f"{datetime.strptime(stamp, '%y%j%H%M') + by:%y%j%H%M}"
    content = re.sub(rb"AQC\d{9}", b"AQC" + moved.encode(), file.read_bytes())
    (folder / file.name.replace(stamp, moved)).write_bytes(content)


def shifted_knmi(file: Path, folder: Path, by: timedelta) -> None:
    stamp = file.stem[-12:]
    copy = folder / file.name.replace(
        stamp, f"{datetime.strptime(stamp, '%Y%m%d%H%M') + by:%Y%m%d%H%M}"
    )
    shutil.copy(file, copy)
    with h5py.File(copy, "r+") as content:
        tags = content["overview"].attrs
        for name in ("product_datetime_start", "product_datetime_end"):
            text = bytes(tags[name]).decode()[:20]
            moved = datetime.strptime(text, "%d-%b-%Y;%H:%M:%S") + by
            tags[name] = f"{moved:%d-%b-%Y;%H:%M:%S}.000".upper().encode()

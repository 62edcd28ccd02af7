from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dask.array
import dask.config
import numpy as np
import pytest
from distributed import LocalCluster

from data_catalog.storms import Storms, write_storms
from pipeline import decoding, workers
from pipeline.decoding import DecodedFile, Job, Refused
from pipeline.frames import Grid, make_frames
from pipeline.ingest import ingest
from pipeline.readers import READERS
from pipeline.reflectivity import ZR
from pipeline.store import Store

SCRIPT = """
import multiprocessing, os, sys
from pathlib import Path
from pipeline import workers
from pipeline.ingest import ingest
print("the script runs", flush=True)
workers.START_UP_SECONDS = 0
def tell(done, files):
    print("workers", *(child.pid for child in multiprocessing.active_children()), flush=True)
    if done == files - 1 and "wait" in sys.argv:
        sys.stdin.readline()
files = sorted(Path(sys.argv[1]).glob("*.nc"))
report = ingest(files, sys.argv[2], product="storms", workers=2, progress=tell)
print(dict(report.frames), flush=True)
"""


def decode_but_die_of_poison(job: Job) -> DecodedFile | Refused:
    if job.path.name.startswith("z_poison"):
        os._exit(9)
    return decoding.decode(job)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    event = Storms(height=40, width=48, frames=60, seed=5)
    return write_storms(tmp_path_factory.mktemp("files"), event)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    patience = {"distributed.scheduler.allowed-failures": 1}
    with (
        dask.config.set(patience),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "START_UP_SECONDS", 0)


@pytest.mark.usefixtures("processes_at_once")
def test_who_decodes_changes_no_byte(
    tmp_path: Path, files: list[Path], cluster: LocalCluster
) -> None:
    children: set[int | None] = set()

    def watch(done: int, of: int) -> None:
        children.update(child.pid for child in multiprocessing.active_children())

    ingest(files, tmp_path / "thread.zarr", product="storms", workers=1, progress=watch)
    before = set(children)
    ingest(files, tmp_path / "processes.zarr", product="storms", workers=2, progress=watch)
    assert len(children - before) == 2
    assert not children & {child.pid for child in multiprocessing.active_children()} - before
    ingest(files, tmp_path / "dask.zarr", product="storms", dask=cluster.scheduler_address)
    expected = contents(tmp_path / "thread.zarr")
    assert Store.open(tmp_path / "thread.zarr").observed.sum() == len(files)
    assert contents(tmp_path / "processes.zarr") == expected
    assert contents(tmp_path / "dask.zarr") == expected


def test_a_handful_of_files_starts_no_process(tmp_path: Path, files: list[Path]) -> None:
    children: list[int] = []
    known = len(multiprocessing.active_children())
    ingest(
        files[:10],
        tmp_path / "s.zarr",
        product="storms",
        workers=2,
        progress=lambda *_: children.append(len(multiprocessing.active_children())),
    )
    assert children == [known] * 10


@pytest.mark.usefixtures("processes_at_once")
@pytest.mark.parametrize("where", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_a_file_that_kills_its_worker_is_refused_alone(
    tmp_path: Path,
    files: list[Path],
    cluster: LocalCluster,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "decode", decode_but_die_of_poison)
    poison = [tmp_path / "z_poison_1.nc", files[0].with_name("z_poison_2.nc")]
    address = cluster.scheduler_address if where == "dask" else None
    report = ingest(
        [*files, *poison], tmp_path / "s.zarr", product="storms", workers=2, dask=address
    )
    assert report.frames == {"observed": len(files)}
    assert [refusal.path for refusal in report.refused] == sorted(poison)
    for refusal in report.refused:
        assert "found one that kills the process that reads it" in refusal.reason


def test_a_dask_worker_that_dies_loses_no_file(
    tmp_path: Path, files: list[Path], cluster: LocalCluster
) -> None:
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
        victim = next(iter(client.run(os.getpid).values()))

    def kill(done: int, of: int) -> None:
        if done == 10:
            os.kill(victim, signal.SIGKILL)

    report = ingest(
        files,
        tmp_path / "s.zarr",
        product="storms",
        dask=cluster.scheduler_address,
        progress=kill,
    )
    assert report.frames == {"observed": len(files)}
    assert report.refused == []
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)


def test_an_absent_cluster_is_named(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(ConnectionError, match=r"tcp://127\.0\.0\.1:9: expected a Dask scheduler"):
        ingest(files, tmp_path / "s.zarr", product="storms", dask="tcp://127.0.0.1:9")
    assert not (tmp_path / "s.zarr").exists()


def start_script(tmp_path: Path, files: list[Path], *more: str) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), str(files[0].parent), str(tmp_path / "s.zarr"), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_workers_do_not_run_the_callers_script_again(tmp_path: Path, files: list[Path]) -> None:
    said, _ = start_script(tmp_path, files).communicate()
    lines = said.splitlines()
    assert lines.count("the script runs") == 1
    assert len(lines[-2].split()) == 3
    assert lines[-1] == str({"observed": len(files)})


def test_workers_end_with_an_ingest_that_is_killed(tmp_path: Path, files: list[Path]) -> None:
    process = start_script(tmp_path, files, "wait")
    assert process.stdout is not None
    pids: list[int] = []
    for line in process.stdout:
        if line.startswith("workers"):
            pids = [int(word) for word in line.split()[1:]]
        if len(pids) == 2:
            break
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_long_lazy_file_is_decoded_in_bounded_pieces(
    tmp_path: Path, small_grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [np.datetime64("2020-01-01") + np.timedelta64(5 * k, "m") for k in range(50)]
    dbz = np.random.default_rng(0).uniform(0, 50, (50, *small_grid.shape)).astype(np.float32)
    frames = make_frames(dbz, times, small_grid, source_quantity="dBZ", zr=ZR(200, 1.6))
    lazy = frames.copy(data=dask.array.from_array(dbz, chunks=(2, -1, -1)))  # type: ignore[no-untyped-call]
    monkeypatch.setattr(decoding, "PIECE_BYTES", 7 * 4 * small_grid.x.size * small_grid.y.size)
    monkeypatch.setitem(READERS, "cf_netcdf", lambda path: lazy)
    piece = decoding.decode(Job(Path("archive"), "cf_netcdf", start=7))
    assert isinstance(piece, DecodedFile)
    assert [frame.valid_time for frame in piece.frames] == times[7:14]
    ingest([Path("archive")], tmp_path / "lazy.zarr", reader="cf_netcdf", workers=2)
    monkeypatch.setitem(READERS, "cf_netcdf", lambda path: frames)
    ingest([Path("archive")], tmp_path / "whole.zarr", reader="cf_netcdf", workers=1)
    assert Store.open(tmp_path / "lazy.zarr").observed.sum() == 50
    assert contents(tmp_path / "lazy.zarr") == contents(tmp_path / "whole.zarr")

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data_catalog.storms import Storms, write_storms
from pipeline.check import check_store
from pipeline.ingest import ingest
from pipeline.store import Store

GROUP = 6
KILLS = 200
INGEST = f"""
import sys
from pathlib import Path
from pipeline.ingest import ingest
store, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
print("ready", flush=True)
sys.stdin.readline()
for k in range(0, len(files), {GROUP}):
    try:
        ingest(files[k : k + {GROUP}], store, product="storms")
    except BlockingIOError:
        print("busy", flush=True)
        continue
    print(*(file.name for file in files[k : k + {GROUP}]), flush=True)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An event in an order that extends the axis at both ends."""
    event = Storms(height=48, width=48, frames=36, seed=2)
    paths = write_storms(tmp_path_factory.mktemp("files"), event)
    return [*paths[12:24], *paths[:12], *paths[24:]]


def start(store: Path, files: list[Path]) -> subprocess.Popen[str]:
    """A process that has loaded everything and waits for a line to ingest."""
    command = [sys.executable, "-c", INGEST, str(store), *map(str, files)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def set_off(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def check_that_nothing_is_lost(store: Path, reported: set[str], files: list[Path]) -> None:
    if store.exists() or reported:
        sources = set(Store.open(store).column("source")[Store.open(store).observed].tolist())
        assert reported <= sources
        assert check_store(store).damaged == ()
    ingest(files, store, product="storms")
    whole = Store.open(store)
    assert whole.observed.sum() == len(files)
    assert check_store(store).damaged == ()
    written = whole.column("time").astype("datetime64[s]")
    np.testing.assert_array_equal(written, whole.times.astype("datetime64[s]"))


def kill_at(seconds: float, processes: list[subprocess.Popen[str]]) -> set[str]:
    """Kill −9 after so many seconds; the files that were reported as stored."""
    for process in processes:
        set_off(process)
    time.sleep(seconds)
    reported: set[str] = set()
    for process in processes:
        process.kill()
        said, _ = process.communicate()
        whole_lines = said[: said.rfind("\n") + 1].split()
        reported |= set(whole_lines) - {"busy"}
    return reported


@pytest.fixture(scope="module")
def duration(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of an ingest that nobody disturbs."""
    process = start(tmp_path_factory.mktemp("whole") / "s.zarr", files)
    began = time.perf_counter()
    set_off(process)
    process.communicate()
    return time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("writers", [1, 2])
def test_a_killed_ingest_loses_and_tears_no_frame(
    tmp_path: Path, files: list[Path], duration: float, writers: int
) -> None:
    instants = np.random.default_rng(writers).uniform(0, duration, KILLS)
    for seconds in instants:
        folder = tmp_path / "run"
        folder.mkdir()
        store = folder / "s.zarr"
        shares = [files] if writers == 1 else [files[::-1], files]
        reported = kill_at(float(seconds), [start(store, share) for share in shares])
        check_that_nothing_is_lost(store, reported, files)
        shutil.rmtree(folder)

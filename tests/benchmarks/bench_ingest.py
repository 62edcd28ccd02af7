"""Ingest of real events against only decoding the same files, in one run."""

from __future__ import annotations

import time
from pathlib import Path

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


def decode(files: list[Path]) -> None:
    for file in files:
        READERS[sniff(file)](file)


@pytest.mark.parametrize("new", [False, True], ids=["into a store", "into a new store"])
@pytest.mark.parametrize("product", EVENTS)
def test_ingest_takes_little_more_than_decoding(
    benchmark: BenchmarkFixture, tmp_path: Path, data_dir: Path, product: str, *, new: bool
) -> None:
    first, *files = sorted((data_dir / "radar" / EVENTS[product]).iterdir())
    decode(files)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        decode(files)
        seconds.append(time.perf_counter() - began)
    stores = [tmp_path / f"{n}.zarr" for n in range(ROUNDS + 1)]
    for store in stores if not new else ():
        ingest([first], store, product=product)
    benchmark.pedantic(
        lambda: ingest(files, stores.pop(), product=product), rounds=ROUNDS, warmup_rounds=1
    )
    benchmark.extra_info["decode_seconds"] = min(seconds)
    benchmark.extra_info["ratio"] = benchmark.stats.stats.min / min(seconds)
    print(f"\n{product}, new store {new}: {benchmark.extra_info}")  # noqa: T201

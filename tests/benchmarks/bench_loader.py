"""The loader against reading each window through xarray, on a national composite's grid."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pytest_benchmark.fixture import BenchmarkFixture

from data_catalog.storms import Storms, write_storms
from pipeline.ingest import ingest
from pipeline.loader import Crops, WindowLoader
from pipeline.store import Store
from pipeline.tensors import WindowRule, build_tensors

BATCH, CROP, RULE = 32, 128, WindowRule(3, 2)
ROUNDS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("composite")
    files = write_storms(folder / "files", Storms(height=640, width=710, frames=60, seed=3))
    ingest(files, folder / "store.zarr", product="storms")
    build_tensors(Store.open(folder / "store.zarr"), folder / "tensors", RULE)
    return folder


@pytest.fixture
def loader(folder: Path) -> WindowLoader:
    tensors = build_tensors(Store.open(folder / "store.zarr"), folder / "tensors", RULE)
    return WindowLoader([tensors], batch_size=BATCH, crop=CROP, augment=False)


def read_through_xarray(reflectivity: xr.DataArray, crops: Crops) -> np.ndarray:
    return np.stack(
        [
            reflectivity[w : w + RULE.length, y : y + CROP, x : x + CROP].to_numpy()
            for w, y, x in zip(crops.window, crops.top, crops.left, strict=True)
        ]
    )


@pytest.mark.parametrize("chunks", [None, {}], ids=["lazy", "dask"])
def test_a_batch_is_ten_times_faster_than_reading_its_windows_through_xarray(
    benchmark: BenchmarkFixture, folder: Path, loader: WindowLoader, chunks: dict[str, int] | None
) -> None:
    reflectivity = xr.open_zarr(folder / "store.zarr", chunks=chunks)["reflectivity"]
    seconds = []
    for n in range(ROUNDS):
        began = time.perf_counter()
        frames = read_through_xarray(reflectivity, loader.draw(n))
        seconds.append(time.perf_counter() - began)
        np.testing.assert_allclose(loader.batch(n).frames.numpy(), frames, atol=1e-4)
    numbers = iter(range(10**6))
    benchmark.pedantic(lambda: loader.batch(next(numbers)), rounds=40, warmup_rounds=3)
    ratio = float(np.median(seconds)) / benchmark.stats.stats.median
    benchmark.extra_info["xarray_windows_per_second"] = BATCH / float(np.median(seconds))
    benchmark.extra_info["loader_windows_per_second"] = BATCH / benchmark.stats.stats.median
    benchmark.extra_info["ratio"] = ratio
    print(f"\n{benchmark.extra_info}")  # noqa: T201
    assert ratio >= 10


def test_drawing_a_batch(benchmark: BenchmarkFixture, loader: WindowLoader) -> None:
    numbers = iter(range(10**6))
    benchmark.pedantic(lambda: loader.draw(next(numbers)), rounds=40, warmup_rounds=3)


def test_streaming_with_two_threads(benchmark: BenchmarkFixture, loader: WindowLoader) -> None:
    benchmark.pedantic(lambda: sum(1 for _ in loader.stream(0, 20)), rounds=5, warmup_rounds=1)

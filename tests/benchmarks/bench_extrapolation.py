"""Our whole extrapolation of one hour, motion included, against pysteps' on national composites."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pysteps import motion, nowcasts
from pytest_benchmark.fixture import BenchmarkFixture

from nowcast.forecasters import Extrapolation
from pipeline.readers import READERS

STEPS = 12
ROUNDS = 5
EVENTS = {"mch_gif": "20150515/*.gif", "fmi_pgm": "20160928/*.pgm.gz", "knmi_hdf5": "20100826/*.h5"}


@pytest.fixture(scope="module", params=EVENTS)
def past(request: pytest.FixtureRequest, data_dir: Path) -> NDArray[np.float32]:
    """Three frames (T, H, W) dBZ from the middle of an event."""
    files = sorted((data_dir / "radar" / request.param).glob(EVENTS[request.param]))
    middle = len(files) // 2
    read = READERS[request.param]
    return np.concatenate([read(file).to_numpy() for file in files[middle : middle + 3]])


def seconds(work: Callable[[], object]) -> float:
    work()
    measured = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        measured.append(time.perf_counter() - began)
    return statistics.median(measured)


def test_a_forecast_is_ten_times_faster_than_with_pysteps(
    benchmark: BenchmarkFixture, past: NDArray[np.float32]
) -> None:
    find_motion, advect = motion.get_method("LK"), nowcasts.get_method("extrapolation")
    rain = np.where(past < 0, -15, past)
    theirs = seconds(lambda: advect(rain[-1], find_motion(rain), STEPS))
    frames, forecaster = torch.from_numpy(past)[None], Extrapolation()
    benchmark.pedantic(forecaster.forecast, (frames, STEPS), rounds=20, warmup_rounds=2)
    ratio = theirs / benchmark.stats.stats.median
    benchmark.extra_info.update(pysteps_seconds=theirs, ratio=ratio, shape=past.shape)
    print(f"\n{past.shape}: pysteps {theirs:.2f} s, ratio {ratio:.1f}")  # noqa: T201
    assert ratio >= 10

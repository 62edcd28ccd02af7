"""Speed of a tally's update against the same scores by pysteps' own functions on the same cores.

Two cores are there for both: a tally counts lead times side by side; pysteps' functions use one
core however many there are. Told besides: a tally on one core, and pysteps called for two lead
times at once. Of some rounds in turns each side's fastest counts, the one least disturbed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nowcast.verification.parts import PARTS
from nowcast.verification.protocol import DEFAULT_PARTS
from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.batch import ZR

LEADS, HEIGHT, WIDTH = 10, 640, 710
WINDOWS = (1, 5, 21, 41)
RELATION = ZR(316.0, 1.5)
PARTS_COMPARED = ("categorical", "continuous", "spatial")
CORES = 2

Fields = tuple[NDArray[np.float64], NDArray[np.float64]]

torch.set_num_threads(1)
torch.set_flush_denormal(True)


def _rain(seed: int) -> NDArray[np.float64]:
    """(L, H, W) mm/h: rain over a third of the grid."""
    noise = np.random.default_rng(seed).normal(size=(LEADS, HEIGHT, WIDTH))
    fields = np.stack([gaussian_filter(frame, 6) for frame in noise])
    fields /= fields.std()
    return np.where(fields > 0.5, np.exp(2 * fields - 1.5), 0.0)


def _peer(here: NDArray[np.float64], there: NDArray[np.float64]) -> None:
    """The scores of one lead time: as many as a tally of PARTS_COMPARED counts, and no more."""
    from pysteps.verification.detcatscores import det_cat_fct
    from pysteps.verification.detcontscores import det_cont_fct
    from pysteps.verification.spatialscores import fss

    det_cont_fct(here, there, ["MAE", "RMSE"])
    for threshold in THRESHOLDS:
        det_cat_fct(here, there, threshold, ["POD", "FAR", "CSI"])
        for width in WINDOWS:
            fss(here, there, threshold, width)


@pytest.fixture(scope="module")
def fields() -> Fields:
    return _rain(1), _rain(2)


def _fastest(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each one's fastest round; they take turns, so that all meet the same load."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(taken) for name, taken in seconds.items()}


def _tally(forecast: torch.Tensor, observed: torch.Tensor, parts: Sequence[str]) -> Tally:
    tally = Tally(
        ["network"], range(6, 66, 6), THRESHOLDS, RELATION, SCALES_KM, 1.0, parts=tuple(parts)
    )
    tally.update(np.datetime64("2018-06-16T00:00"), {"network": forecast}, observed)
    return tally


def _arrays(fields: Fields, missing: bool) -> tuple[Fields, tuple[torch.Tensor, torch.Tensor]]:
    """Forecast and observed in mm/h and, the same, in dBZ."""
    forecast, observed = fields[0], fields[1].copy()
    if missing:
        observed[:, :, : WIDTH // 5] = np.nan
    dbz = [torch.from_numpy(RELATION.dbz(field)).float() for field in (forecast, observed)]
    return (forecast, observed), (dbz[0], dbz[1])


def _on_cores(count: int, forecast: torch.Tensor, observed: torch.Tensor) -> None:
    torch.set_num_threads(count)
    _tally(forecast, observed, PARTS_COMPARED)
    torch.set_num_threads(1)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "a fifth missing"])
def test_a_tally_is_ten_times_faster_than_pysteps(
    benchmark: Any, fields: Fields, missing: bool
) -> None:
    rates, dbz = _arrays(fields, missing)
    with ThreadPoolExecutor(CORES) as pool:
        works = {
            "pysteps": lambda: list(map(_peer, *rates)),
            "pysteps, lead times side by side": lambda: list(pool.map(_peer, *rates)),
            "tally on one core": lambda: _on_cores(1, *dbz),
            "tally on two cores": lambda: _on_cores(CORES, *dbz),
        }
        _on_cores(CORES, *dbz)
        taken = _fastest(works, 5)
    benchmark.pedantic(_on_cores, args=(CORES, *dbz), rounds=3)
    peer, spread, one, two = taken.values()
    ratios = {"one core": peer / one, "two cores": peer / two, "pysteps side by side": spread / two}
    benchmark.extra_info |= taken | ratios
    seconds = ", ".join(f"{name} {value:.3f} s" for name, value in taken.items())
    times = ", ".join(f"{name} {value:.1f} ×" for name, value in ratios.items())
    report = f"{seconds}: {times}; load {os.getloadavg()[0]:.1f}"
    sys.stderr.write(f"\n{report}\n")
    assert ratios["two cores"] >= 10, report


@pytest.mark.parametrize("part", [name for name in PARTS if name != "categorical"])
def test_what_a_part_costs_beside_the_default_ones(
    benchmark: Any, fields: Fields, part: str
) -> None:
    _, dbz = _arrays(fields, missing=True)
    works = {
        "alone": lambda: _tally(*dbz, ["categorical"]),
        "default": lambda: _tally(*dbz, DEFAULT_PARTS),
        "with": lambda: _tally(*dbz, ["categorical", part]),
    }
    _fastest(works, 1)
    taken = _fastest(works, 5)
    benchmark.pedantic(_tally, args=(*dbz, ["categorical", part]), rounds=3)
    share = (taken["with"] - taken["alone"]) / taken["default"]
    benchmark.extra_info["of the default parts together"] = share
    sys.stderr.write(f"\n{part}: {share:.2f} of the default parts ({taken['default']:.3f} s)\n")

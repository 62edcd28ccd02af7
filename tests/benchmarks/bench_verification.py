"""Speed of a tally's update against the same scores by pysteps' own functions on the same cores."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
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
    from pysteps.verification.detcatscores import det_cat_fct
    from pysteps.verification.detcontscores import det_cont_fct
    from pysteps.verification.spatialscores import fss

    for scale in (lambda rates: rates, RELATION.dbz):
        det_cont_fct(scale(here), scale(there), ["ME", "MAE", "RMSE", "corr_p"])
    for threshold in THRESHOLDS:
        det_cat_fct(here, there, threshold)
        for width in WINDOWS:
            fss(here, there, threshold, width)


@pytest.fixture(scope="module")
def fields() -> Fields:
    return _rain(1), _rain(2)


def _best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _tally(forecast: torch.Tensor, observed: torch.Tensor, parts: Sequence[str]) -> Tally:
    tally = Tally(
        ["network"], range(6, 66, 6), THRESHOLDS, RELATION, SCALES_KM, 1.0, parts=tuple(parts)
    )
    tally.update(np.datetime64("2018-06-16T00:00"), {"network": forecast}, observed)
    return tally


def _dbz(fields: Fields, missing: bool) -> tuple[torch.Tensor, torch.Tensor]:
    forecast, observed = (
        torch.from_numpy(RELATION.dbz(field)).to(torch.float32) for field in fields
    )
    if missing:
        observed[:, :, : WIDTH // 5] = torch.nan
    return forecast, observed


@pytest.mark.parametrize("threads", [1, 2], ids=["one core", "two cores"])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "a fifth missing"])
def test_a_tally_is_five_times_faster_than_pysteps(
    benchmark: Any, fields: Fields, missing: bool, threads: int
) -> None:
    forecast, observed = _dbz(fields, missing)
    torch.set_num_threads(threads)

    def arrive() -> tuple[tuple[torch.Tensor, torch.Tensor, Sequence[str]], dict[str, Any]]:
        return (forecast.clone(), observed.clone(), DEFAULT_PARTS), {}

    with ThreadPoolExecutor(threads) as pool:
        peer = _best(lambda: list(pool.map(_peer, *fields)), 2)
        benchmark.pedantic(_tally, setup=arrive, rounds=5, warmup_rounds=1)
        peer = min(peer, _best(lambda: list(pool.map(_peer, *fields)), 1))
    torch.set_num_threads(1)
    ratio = peer / benchmark.stats["min"]
    benchmark.extra_info |= {"pysteps seconds": peer, "times as fast": ratio}
    report = f"pysteps {peer:.2f} s, tally {benchmark.stats['min']:.3f} s: {ratio:.1f} ×"
    sys.stderr.write(f"\n{report}\n")
    assert ratio >= 5, report


@pytest.mark.parametrize("part", [name for name in PARTS if name != "categorical"])
def test_what_a_part_costs_beside_the_default_ones(
    benchmark: Any, fields: Fields, part: str
) -> None:
    forecast, observed = _dbz(fields, missing=True)
    alone = _best(lambda: _tally(forecast, observed, ["categorical"]), 3)
    usual = _best(lambda: _tally(forecast, observed, DEFAULT_PARTS), 3)
    parts = ["categorical", part]
    benchmark.pedantic(_tally, args=(forecast, observed, parts), rounds=3, warmup_rounds=1)
    share = (benchmark.stats["min"] - alone) / usual
    benchmark.extra_info["of the default parts together"] = share
    sys.stderr.write(f"\n{part}: {share:.2f} of the default parts ({usual:.3f} s)\n")

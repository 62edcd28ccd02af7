"""Speed of a tally's update against the same scores by pysteps' own functions."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.batch import ZR

LEADS, HEIGHT, WIDTH = 10, 640, 710
WINDOWS = (1, 5, 21, 41)
RELATION = ZR(316.0, 1.5)

torch.set_num_threads(1)
torch.set_flush_denormal(True)


def _rain(seed: int) -> np.ndarray:
    """(L, H, W) mm/h: rain over a third of the grid."""
    noise = np.random.default_rng(seed).normal(size=(LEADS, HEIGHT, WIDTH))
    fields = np.stack([gaussian_filter(frame, 6) for frame in noise])
    fields /= fields.std()
    return np.where(fields > 0.5, np.exp(2 * fields - 1.5), 0.0)


def _peer(forecast: np.ndarray, observed: np.ndarray) -> None:
    from pysteps.verification.detcatscores import det_cat_fct
    from pysteps.verification.detcontscores import det_cont_fct
    from pysteps.verification.spatialscores import fss

    for here, there in zip(forecast, observed, strict=True):
        det_cont_fct(here, there, ["MAE", "RMSE"])
        for threshold in THRESHOLDS:
            det_cat_fct(here, there, threshold)
            for width in WINDOWS:
                fss(here, there, threshold, width)


@pytest.fixture(scope="module")
def fields() -> tuple[np.ndarray, np.ndarray]:
    return _rain(1), _rain(2)


@pytest.fixture(scope="module")
def peer_seconds(fields: tuple[np.ndarray, np.ndarray]) -> float:
    """The fastest of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        _peer(*fields)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "a fifth missing"])
def test_a_tally_is_ten_times_faster_than_pysteps(
    benchmark: Any, fields: tuple[np.ndarray, np.ndarray], peer_seconds: float, missing: bool
) -> None:
    forecast, observed = (
        torch.from_numpy(RELATION.dbz(field)).to(torch.float32) for field in fields
    )
    if missing:
        observed[:, :, : WIDTH // 5] = torch.nan

    def arrive() -> tuple[tuple[torch.Tensor, torch.Tensor], dict[str, Any]]:
        return (forecast.clone(), observed.clone()), {}

    def update(forecast: torch.Tensor, observed: torch.Tensor) -> None:
        tally = Tally(["network"], range(6, 66, 6), THRESHOLDS, RELATION, SCALES_KM, 1.0)
        tally.update(np.datetime64("2018-06-16T00:00"), {"network": forecast}, observed)

    benchmark.pedantic(update, setup=arrive, rounds=3, warmup_rounds=1)
    ratio = peer_seconds / benchmark.stats["min"]
    benchmark.extra_info |= {"pysteps seconds": peer_seconds, "times as fast": ratio}
    report = f"pysteps {peer_seconds:.2f} s, tally {benchmark.stats['min']:.3f} s: {ratio:.1f} ×"
    sys.stderr.write(f"\n{report}\n")
    assert ratio >= 10, report

"""Skill of our extrapolation beside pysteps' Lucas–Kanade extrapolation, on the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pysteps import motion, nowcasts
from pysteps.utils import transformation

from flows.periods import issue_slots
from nowcast.forecasters import FORECASTERS
from nowcast.verification.tally import SCALES_KM, Tally
from pipeline.ingest import ingest
from pipeline.store import Store

EVENTS = {
    "bom_netcdf/melbourne_20180616": "bom_melbourne",
    "mch_gif/20150515": "mch",
    "mch_gif/20170131": "mch",
    "fmi_pgm/20160928": "fmi",
    "knmi_hdf5/20100826": "knmi",
}
EVERY = 3
THRESHOLDS = (0.1, 1.0, 5.0)
PEER = "pysteps LK"


def pysteps_forecast(dbz: NDArray[np.float32], store: Store, steps: int) -> torch.Tensor:
    """(T, H, W) dBZ -> (steps, H, W) dBZ by dense Lucas–Kanade and semi-Lagrangian advection."""
    rate = store.zr.rain_rate(dbz)
    decibels, _ = transformation.dB_transform(rate, threshold=0.1, zerovalue=-15.0)
    velocity = motion.get_method("LK")(decibels.copy(), verbose=False)
    advected = nowcasts.get_method("extrapolation")(decibels[-1], velocity, steps)
    rain = np.where(advected <= -15, 0, 10 ** (advected / 10))
    return torch.from_numpy(np.where(np.isnan(advected), np.nan, store.zr.dbz(rain))).float()


@pytest.mark.parametrize("event", EVENTS)
def test_extrapolation_is_as_good_as_that_of_pysteps(
    tmp_path: Path, data_dir: Path, event: str
) -> None:
    ingest(
        sorted((data_dir / "radar" / event).iterdir()), tmp_path / "s.zarr", product=EVENTS[event]
    )
    store = Store.open(tmp_path / "s.zarr")
    minutes = int(store.cadence / np.timedelta64(1, "m"))
    leads = list(range(minutes, 61, minutes))
    names = [*FORECASTERS, PEER]
    tally = Tally(names, leads, THRESHOLDS, store.zr, SCALES_KM, store.grid.pixel_m / 1000)
    for slot in issue_slots(store, store.times[0], store.times[-1], len(leads))[::EVERY]:
        past, steps = store.dbz(slot - 2, slot + 1), len(leads)
        forecasts = {
            name: forecaster().forecast(torch.from_numpy(past)[None], steps)[0]
            for name, forecaster in FORECASTERS.items()
        }
        forecasts[PEER] = pysteps_forecast(past, store, steps)
        tally.update(
            store.times[slot], forecasts, torch.from_numpy(store.dbz(slot + 1, slot + 1 + steps))
        )
    csi = tally.csi().sel(lead_time=[minutes, 30, 60])
    for name in names:
        columns = [
            "/".join(f"{value:.3f}" for value in csi.sel(forecaster=name, threshold=threshold))
            for threshold in THRESHOLDS
        ]
        print(f"\n{event} {name}: {' | '.join(columns)}", end="")  # noqa: T201
    ours, theirs = csi.sel(forecaster="extrapolation"), csi.sel(forecaster=PEER)
    assert float((ours - theirs).min()) > -0.02

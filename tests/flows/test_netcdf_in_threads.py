from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from flows.entrants import Filed, filed
from flows.forecasting import fitting_forecaster, forecast_dataset
from flows.parts import write_whole
from pipeline.forecasts import write_forecast
from pipeline.store import Store

THREADS, ROUNDS = 8, 12


def test_threads_read_forecast_files_while_another_writes_scores(
    storm_store: Path, tmp_path: Path
) -> None:
    """NetCDF's library gives wrong answers, or ends the process, if two threads are in it."""
    store = Store.open(storm_store)
    slots = [int(slot) for slot in np.flatnonzero(store.observed)[3:15]]
    persistence = fitting_forecaster("persistence", store)
    files = [
        write_forecast(tmp_path / f"{slot}.nc", forecast_dataset(store, persistence, slot, 3))
        for slot in slots
    ]
    (entrant,) = filed(files, store)
    assert isinstance(entrant, Filed)
    expected = {slot: entrant.forecast(store, slot, 3) for slot in slots}
    scores = xr.Dataset(
        {"hits": ("lead_time", np.arange(1000))}, attrs={f"a{n}": n for n in "bcdef"}
    )

    def read(slot: int) -> bool:
        return torch.equal(
            entrant.forecast(store, slot, 3).nan_to_num(), expected[slot].nan_to_num()
        )

    with ThreadPoolExecutor(THREADS) as pool:
        same = pool.map(read, slots * ROUNDS)
        for number in range(40):
            write_whole(tmp_path / f"scores-{number}.nc", scores)
        assert all(same)

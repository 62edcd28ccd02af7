"""Forecasts of a whole period against what the radar then saw: scores and the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr

from flows.forecasting import PAST, fitting_forecaster, forecast_at, lead_steps
from nowcast.forecasters import Forecaster
from nowcast.verification.tally import SCALES_KM, THRESHOLDS, Tally
from pipeline.clock import clock
from pipeline.store import Store

Progress = Callable[[int, int], None]


@dataclass
class Comparison:
    """Several forecasters on the same issue times of one store."""

    store: Store
    forecasters: dict[str, Forecaster]
    steps: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store, names: Sequence[str], lead_minutes: int) -> Comparison:
        """Load the forecasters; persistence is always among them, as the reference.

        Raises:
            ValueError: If a forecaster does not fit, or two have one name.
        """
        loaded = [
            fitting_forecaster(name, store) for name in dict.fromkeys(["persistence", *names])
        ]
        forecasters = {forecaster.name: forecaster for forecaster in loaded}
        if len(forecasters) < len(loaded):
            raise ValueError(f"forecasters: expected different ones, found {list(names)}")
        steps = lead_steps(store, lead_minutes)
        return cls(store, forecasters, steps, {name: [] for name in forecasters})

    def forecast(self, slot: int) -> dict[str, torch.Tensor]:
        """(steps, H, W) dBZ of each forecaster from the frames up to a slot."""
        forecasts = {}
        for name, forecaster in self.forecasters.items():
            start = time.perf_counter()
            forecasts[name] = forecast_at(self.store, forecaster, slot, self.steps)
            self.seconds[name].append(time.perf_counter() - start)
        return forecasts

    def observed(self, slot: int) -> torch.Tensor:
        """(steps, H, W) dBZ that the radar saw after a slot."""
        return torch.from_numpy(self.store.dbz(slot + 1, slot + 1 + self.steps))

    def case(self, slot: int) -> xr.Dataset:
        """All fields of one issue time, for people to look at."""
        forecasts = torch.stack(list(self.forecast(slot).values())).numpy()
        minutes = int(self.store.cadence / np.timedelta64(1, "m"))
        first = max(slot + 1 - PAST, 0)
        return xr.Dataset(
            {
                "past": (("time", "y", "x"), self.store.dbz(first, slot + 1)),
                "observed": (("lead_time", "y", "x"), self.observed(slot).numpy()),
                "forecast": (("forecaster", "lead_time", "y", "x"), forecasts),
            },
            {
                "time": self.store.times[first : slot + 1],
                "lead_time": minutes * np.arange(1, self.steps + 1),
                "forecaster": list(self.forecasters),
                **self.store.grid.coordinates(),
            },
            {"issue_time": str(self.store.times[slot].astype("datetime64[s]"))},
        )


def issue_slots(store: Store, start: np.datetime64, end: np.datetime64, steps: int) -> list[int]:
    """Slots from which a forecast can be issued and verified inside a period.

    The latest frame must be there, its past must not reach before `start`, the last valid time
    not beyond `end`, and some frame must be there to verify against.

    Raises:
        ValueError: If there is none.
    """
    times, observed = store.times, store.observed
    slots = [
        slot
        for slot in range(PAST - 1, len(times) - steps)
        if observed[slot]
        and times[slot + 1 - PAST] >= start
        and times[slot + steps] <= end
        and observed[slot + 1 : slot + 1 + steps].any()
    ]
    if not slots:
        held = f"{clock(times[0])} to {clock(times[-1])}" if len(times) else "nothing"
        raise ValueError(
            f"{store.address}: no forecast of {steps} steps can be verified from {clock(start)} to "
            f"{clock(end)}; the store holds {held}"
        )
    return slots


def score(
    comparison: Comparison, slots: Sequence[int], progress: Progress | None = None
) -> xr.Dataset:
    """The scores file of a comparison: an issue time a thread, each thread on one core."""
    store = comparison.store
    minutes = int(store.cadence / np.timedelta64(1, "m"))
    tally = Tally(
        list(comparison.forecasters),
        [minutes * step for step in range(1, comparison.steps + 1)],
        THRESHOLDS,
        store.zr,
        SCALES_KM,
        store.grid.pixel_m / 1000,
        cadence_minutes=minutes,
    )
    times = store.times

    def count(slot: int) -> None:
        tally.update(times[slot], comparison.forecast(slot), comparison.observed(slot))

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done, _ in enumerate(pool.map(count, slots), 1):
            if progress:
                progress(done, len(slots))
    scores = tally.to_dataset()
    scores.attrs |= {"product": store.product, "cadence_minutes": minutes}
    return scores


def wettest(store: Store, slots: Sequence[int], steps: int) -> int:
    """The issue slot whose verifying frames hold most rain: the case to look at."""
    wet = np.nan_to_num(store.wet_share * store.observed_share)
    return max(slots, key=lambda slot: float(wet[slot + 1 : slot + 1 + steps].mean()))

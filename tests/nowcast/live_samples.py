"""Facts of live pages, and what their pages play."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from nowcast.report.live_facts import (
    AlertFacts,
    DiskFacts,
    ForecastFacts,
    LatencyFacts,
    LiveFacts,
    NetworkFacts,
    SkillFacts,
    SkyFacts,
)
from pipeline.batch import NO_ECHO, ZR

NEWEST = datetime(2018, 6, 16, 23, 30)
SIX = timedelta(minutes=6)
SHAPE = (20, 25)
NAMES = ("persistence", "extrapolation", "unet-demo")
MARSHALL_PALMER = ZR(200, 1.6)


def wet_map(share: float, dbz: float = 30.0) -> np.ndarray:
    """The first columns are wet."""
    field = np.full(SHAPE, NO_ECHO, np.float32)
    field[:, : round(share * SHAPE[1])] = dbz
    return field


def make_sky(shares: tuple[float, float] = (0.2, 0.4), **changes: object) -> SkyFacts:
    """From the first share now to the second in an hour, ten frames of each."""
    times = tuple(NEWEST + n * SIX for n in range(-10, 1))
    growth = np.linspace(*shares, 11)[1:]
    forecasts = tuple(
        ForecastFacts(
            name,
            NEWEST,
            tuple(NEWEST + (n + 1) * SIX for n in range(10)),
            np.stack([wet_map(share, 25.0 + 5 * place) for share in growth]),
            0.4,
        )
        for place, name in enumerate(NAMES)
    )
    sky: dict[str, Any] = {
        "times": times,
        "observed": np.stack([wet_map(shares[0]) for _ in times]),
        "filled": (True,) * len(times),
        "forecasts": forecasts,
        "x": 1000.0 * np.arange(SHAPE[1]),
        "y": -1000.0 * np.arange(SHAPE[0]),
        "degrees": False,
        "zr": MARSHALL_PALMER,
    }
    return SkyFacts(**{**sky, **changes})


def make_live(**changes: object) -> LiveFacts:
    facts: dict[str, Any] = {
        "title": "Nowcast: storms & <showers>",
        "provider": "Bureau of Meteorology",
        "licence": "CC-BY-4.0",
        "store": "radar.zarr",
        "made": NEWEST + SIX,
        "cadence_minutes": 6.0,
        "stale_minutes": 20.0,
        "newest_frame": NEWEST,
        "last_ingest": NEWEST + SIX,
        "frames_last_day": 238,
        "missing_last_day": 2,
        "gaps": ((datetime(2018, 6, 16, 12), datetime(2018, 6, 16, 12, 6)),),
        "sky": make_sky(),
        "latency": LatencyFacts(38, 2.4, 4.1, 9.7),
        "skill": SkillFacts(
            1.0,
            (6, 30, 60),
            {"extrapolation": (0.6, 0.4, 0.2), "unet-demo": (0.65, 0.45, float("nan"))},
            31,
            {"extrapolation": 0.0, "unet-demo": 0.036},
        ),
        "network": NetworkFacts("unet-demo", "9f2c1e77ab034d1e", NEWEST, "It won by 0.021."),
        "drift": "Rain today is like that of the training.",
        "disk": DiskFacts(212.4, 480.0),
        "alerts": (AlertFacts(NEWEST, "the newest frame is 25 minutes old"),),
        "links": {"status.json": "status.json", "Day": "reports/daily/2018-06-15/report.html"},
        "code_version": "0.1.0",
    }
    return LiveFacts(**{**facts, **changes})


def movie_of(page: str) -> dict[str, Any]:
    held = re.search(r'id="movie">(.*?)</script>', page)
    assert held
    movie: dict[str, Any] = json.loads(held[1])
    return movie


def with_fallback(why: str) -> LiveFacts:
    sky = make_sky()
    *others, network = sky.forecasts
    return make_live(sky=replace(sky, forecasts=(*others, replace(network, fallback=why))))

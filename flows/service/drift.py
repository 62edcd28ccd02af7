"""Does the rain of today look like the rain that the network was trained on?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.intensities import CLASSES, EDGES_DBZ, STEP_DBZ, Intensities, count_intensities
from pipeline.store import FILLED, Store

# frames of a day that are looked at, and when a day tells something of rain
SAMPLED = 24
LEAST_WET = 0.001
LEAST_DAYS = 5

Counts = NDArray[np.int64]


class Drift(BaseModel):
    """How far the frames of a day are from those of the training.

    Args:
        distance: `wasserstein` of their wet pixels, dB; None where one has too little rain.
        wet_share_today: Wet of the observed pixels; None if none was observed.
        wet_share_training: The same of the frames trained on.
        outside: Whether the distance is larger than that of every training day with rain from the
            others; None where LEAST_DAYS such days are not there to tell.
        sentence: What it means.
    """

    model_config = ConfigDict(frozen=True)

    distance: float | None
    wet_share_today: float | None
    wet_share_training: float | None
    outside: bool | None = None
    sentence: str


def find_drift(checkpoint: Path, store: Store, day: slice) -> Drift | None:
    """Compare the frames of some slots with those that a network was trained on.

    Of the slots up to SAMPLED frames are read, evenly spread.

    Returns:
        None where the checkpoint does not tell what it was trained on.
    """
    trained = training_counts(checkpoint, store.product)
    return compare(trained, _sampled_counts(store, day)) if trained is not None else None


def compare(training: Counts, today: Counts) -> Drift:
    """The drift of (CLASSES,) pixels of today from (D, CLASSES) pixels by training day."""
    wet_today, wet_training = wet_share(today), wet_share(training.sum(0))
    if wet_today is None or wet_training is None or min(wet_today, wet_training) < LEAST_WET:
        sentence = (
            f"Too dry to compare: {_percent(wet_today)} of the last day was wet, "
            f"{_percent(wet_training)} of the training."
        )
        return Drift(
            distance=None,
            wet_share_today=wet_today,
            wet_share_training=wet_training,
            sentence=sentence,
        )
    distance = wasserstein(training.sum(0), today)
    others = _spread(training)
    outside = distance > max(others) if len(others) >= LEAST_DAYS else None
    amount = (
        f"{_percent(wet_today)} of the observed pixels are wet, "
        f"{wet_today / wet_training:.1f} times as many as in training"
    )
    sentence = f"{_meaning(distance, others, outside)}; {amount}."
    return Drift(
        distance=round(distance, 3),
        wet_share_today=wet_today,
        wet_share_training=wet_training,
        outside=outside,
        sentence=sentence,
    )


def wasserstein(here: Counts, there: Counts) -> float:
    """How far apart two distributions of reflectivity over wet pixels are, in dB.

    W₁ = ∫ |F(z) − G(z)| dz ≈ STEP_DBZ · Σ |F(e) − G(e)| over the edges e of the classes, where F
    and G are the shares of the wet pixels below z. Range 0 to 65 dB, best 0; a shift of all
    reflectivity by d gives about d. Also called: earth mover's distance.

    Args:
        here: (CLASSES,) pixels as `count_intensities` counts them.
        there: Likewise.

    Missing: Missing and dry pixels do not count.

    Undefined: NaN where one has no wet pixel.

    Source: Ramdas, Trillos and Cuturi, 2017, Entropy 19, 47, doi:10.3390/e19020047.
    """
    if not (here[2:].any() and there[2:].any()):
        return float("nan")
    below = [np.cumsum(counts[2:]) / counts[2:].sum() for counts in (here, there)]
    return float(STEP_DBZ * np.abs(below[0] - below[1]).sum())


def wet_share(counts: Counts) -> float | None:
    """Wet of the observed pixels; None if none was observed."""
    observed = counts[1:].sum()
    return round(float(counts[2:].sum() / observed), 6) if observed else None


def training_counts(checkpoint: Path, product: str) -> Counts | None:
    """(D, CLASSES) pixels by day of the frames that a network was trained on.

    Of several radars those of the product, if it is among them. None where the checkpoint does not
    tell, or is none.
    """
    from safetensors import SafetensorError, safe_open

    from nowcast.checkpoint import METADATA

    try:
        with safe_open(checkpoint, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(METADATA, "{}"))
        sets = about.get("provenance", {}).get("tensor_sets", [])
        told = [known for known in sets if known.get("training_intensities")]
        own = [known for known in told if known.get("product") == product] or told
        every = [Intensities.model_validate(known["training_intensities"]) for known in own]
    except (SafetensorError, OSError, ValueError, AttributeError, ValidationError):
        return None
    days: dict[object, Counts] = {}
    for intensities in every:
        if intensities.edges_dbz != EDGES_DBZ:
            return None
        for day, counts in intensities.days.items():
            days[day] = days.get(day, 0) + np.array(counts, np.int64)
    return np.stack([*days.values()]) if days else None


def _sampled_counts(store: Store, day: slice) -> Counts:
    slots = day.start + np.flatnonzero(np.isin(store.column("status", day), FILLED))
    chosen = np.linspace(0, slots.size - 1, min(SAMPLED, slots.size)).round().astype(int)
    counts = np.zeros(CLASSES, np.int64)
    for slot in slots[chosen].tolist():
        try:
            counts += count_intensities(store.read(slot, slot + 1), store.zr)[0]
        except (ValueError, RuntimeError, OSError):
            continue
    return counts


def _spread(training: Counts) -> list[float]:
    """The distance of each training day with rain from the other days."""
    whole = training.sum(0)
    rainy = [day for day in training if (wet_share(day) or 0) >= LEAST_WET]
    distances = [wasserstein(day, whole - day) for day in rainy]
    return [distance for distance in distances if not np.isnan(distance)]


def _meaning(distance: float, others: list[float], outside: bool | None) -> str:
    if outside is None:
        return (
            f"The rain of the last day is {distance:.1f} dB from that of the training, which has "
            "too few days with rain to tell how unusual that is"
        )
    if outside:
        return (
            f"Unlike the training: the rain of the last day is {distance:.1f} dB from it, farther "
            f"than on any of its {len(others)} days with rain (at most {max(others):.1f} dB)"
        )
    return (
        f"Like the training: the rain of the last day is {distance:.1f} dB from it, as on some of "
        f"its {len(others)} days with rain (up to {max(others):.1f} dB)"
    )


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.1%}"

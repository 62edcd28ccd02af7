"""What the page, the table and the scores file tell of cleaners of radar."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_catalog.catalog import load_catalog
from flows.cleaning.data import Pieces
from flows.cleaning.judge import JUDGED, NOTHING, RATES, TITLES, Comparison, Event
from flows.images.runs import Trained
from nowcast.checkpoint import code_version
from nowcast.evaluation.cleaning import CleaningTally
from nowcast.report.classes.facts import DataFacts
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, NoiseFacts, RadarFacts
from nowcast.report.denoise.radar import left_at
from pipeline.noise import Noise

NOISE_TITLES = {
    "radar": "receiver noise, ground clutter, spikes and missing sectors",
    "receiver": "receiver noise",
    "clutter": "ground clutter",
    "spikes": "radial spikes",
    "sectors": "missing sectors",
}


def facts_of(comparison: Comparison, pieces: Pieces, made: Trained, noise: Noise) -> DenoiseFacts:
    """All that the page shows."""
    first, *others = comparison.methods()
    relations = {record.store.zr for record in pieces.test}
    low, high = made.facts.recipe["noise"]["level"]
    return DenoiseFacts(
        "Radar, cleaned",
        _data(pieces),
        replace(first, training=made.facts),
        tuple(others),
        noise=NoiseFacts(
            NOISE_TITLES[noise.kind], noise.words, noise.level[0], (float(low), float(high))
        ),
        rows=tuple(comparison.rows()),
        radar=RadarFacts(
            pieces.test[0].store.zr,
            JUDGED,
            tuple(f"{event.name}, {event.frames} frames" for event in comparison.events),
            "Noise was laid on frames as they were delivered, which count as clean; it is of the "
            "same generator that trained the cleaner.",
            len(relations) > 1,
        ),
        peculiar=tuple(_peculiar(comparison, pieces)),
        code_version=code_version(),
        machine=f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors"
        + (", no GPU" if made.device == "cpu" else f", {made.device}"),
    )


def _data(pieces: Pieces) -> DataFacts:
    stores = [record.store for record in pieces.test]
    products = load_catalog().products
    names = list(dict.fromkeys(store.product for store in stores))
    shapes = dict.fromkeys(
        f"{height} × {width}" for height, width in (s.grid.shape for s in stores)
    )
    counts = [sum(map(len, part)) for part in (pieces.train, pieces.validation, pieces.test)]
    return DataFacts(
        "Radar of " + ", ".join(names),
        (),
        f"{', '.join(shapes)} pixels, dBZ",
        counts[0],
        counts[1],
        counts[2],
        validation_from="the last frames in time of the stores that train",
        provider=", ".join(products[name].provider for name in names if name in products),
        licence=", ".join(dict.fromkeys(store.licence for store in stores)),
    )


def _peculiar(comparison: Comparison, pieces: Pieces) -> list[str]:
    told = [
        "The test frames are of stores that did not train."
        if pieces.apart
        else "The test frames are the last of the same stores that trained, of the same weather."
    ]
    for event in comparison.events if len(comparison.events) > 1 else ():
        left = comparison.at_equal_loss(event, JUDGED)
        lost = left.pop("rain lost")
        shares = [
            f"the {TITLES[name]} {100 * left[name]:.1f} %" for name in left if name != NOTHING
        ]
        told.append(
            f"{event.name}: where each loses {100 * lost:.2f} % of the rain of {JUDGED:g} mm/h "
            f"or more, they leave of the clutter: {', '.join(shares)}."
        )
    return told


def table_of(comparison: Comparison) -> tuple[Mapping[str, Any], ...]:
    """A row a way to clean: its chosen setting and its shares at JUDGED mm/h."""
    methods = comparison.methods()
    place = RATES.index(JUDGED)
    tally = methods[0].cleaning[methods[0].chosen]
    lost = float(tally.rain_lost()[place])
    return tuple(
        {
            "method": method.name,
            "setting": method.chosen,
            "rate": JUDGED,
            **{name: shares[place] for name, shares in _shares(method.cleaning[method.chosen])},
            "left_at_equal_loss": left_at(method, JUDGED, lost),
            "seconds_per_1000": method.seconds_per_1000,
        }
        for method in methods
    )


def write_numbers(out: Path, comparison: Comparison, table: Sequence[Mapping[str, Any]]) -> Path:
    """Write scores.json: the table, and every setting of every cleaner, pooled and by event."""
    numbers = {
        "rates": RATES,
        "methods": {row["method"]: dict(row) for row in table},
        "pooled": {method.name: _curve(method) for method in comparison.methods()},
        "events": {event.name: _event(comparison, event) for event in comparison.events},
    }
    path = out / "scores.json"
    path.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _event(comparison: Comparison, event: Event) -> dict[str, Any]:
    return {
        "frames": event.frames,
        "at_equal_loss": {
            str(rate): {
                name: _known(share) for name, share in comparison.at_equal_loss(event, rate).items()
            }
            for rate in RATES
        },
        "chosen": {
            name: dict(_shares(settings[comparison.chosen[name]]))
            for name, settings in event.tallies.items()
        },
    }


def _curve(method: MethodFacts) -> dict[str, Any]:
    return {setting: dict(_shares(tally)) for setting, tally in method.cleaning.items()}


def _shares(tally: CleaningTally) -> list[tuple[str, list[float | None]]]:
    scores = {
        "clutter_left": tally.clutter_left(),
        "rain_lost": tally.rain_lost(),
        "csi": tally.csi(),
    }
    return [(name, list(map(_known, shares.tolist()))) for name, shares in scores.items()]


def _known(share: float) -> float | None:
    return share if math.isfinite(share) else None

"""Cleaners of radar, judged on the same noisy frames: clutter left against rain lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nowcast.cleaner import Cleaner
from nowcast.evaluation.cleaning import CleaningTally
from nowcast.report.denoise.facts import MethodFacts, PictureRow
from nowcast.report.denoise.radar import left_at
from pipeline.batch import ZR
from pipeline.filters import median_filter, object_filter, speckle_filter
from pipeline.noise import Noise
from pipeline.radar_frames import Record

RATES = (0.1, 1.0, 5.0)
JUDGED, CHOSEN_AT = 1.0, (0.1, 1.0)
TEST_SEED, VALIDATION_SEED = 20_181, 20_182
STRICTNESSES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
NETWORK, NOTHING = "cleaner", "nothing"
TITLES = {
    NETWORK: "trained cleaner",
    "median": "median filter",
    "speckle": "speckle filter",
    "objects": "removal of small objects",
    NOTHING: "nothing",
}

Pixels = NDArray[np.float32]
Settings = dict[str, CleaningTally]
Classic = Mapping[str, Mapping[str, Callable[[Pixels], Pixels]]]

CLASSIC: Classic = {
    "median": {f"{n} × {n} pixels": partial(median_filter, size=n) for n in (3, 5, 7)},
    "speckle": {f"{n} of 8 wet": partial(speckle_filter, least=n) for n in range(1, 9)},
    "objects": {
        f"from {n} pixels": partial(object_filter, pixels=n) for n in (2, 4, 9, 16, 30, 60, 100)
    },
}


@dataclass
class Event:
    """What the cleaners did to the frames of one store.

    Args:
        name: Product and period.
        frames: How many.
        zr: Of the product.
        tallies: Cleaner → setting → its counts, from the mildest setting to the strictest.
        seconds: Cleaner → wall-clock time of all frames at one setting.
        last: The last frame: clean, noisy, and the network's shares.
    """

    name: str
    frames: int
    zr: ZR
    tallies: dict[str, Settings] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    last: tuple[Tensor, Tensor, Tensor] | None = None


def judge_event(cleaner: Cleaner, record: Record, noise: Noise, seed: int) -> Event:
    """Noise on every frame of a record, drawn by (seed, slot), and all cleaners on all of them."""
    store = record.store
    times = store.times[record.slots]
    name = f"{store.product}, {str(times[0])[:16].replace('T', ' ')} to {str(times[-1])[11:16]} UTC"
    event = Event(name, len(record), store.zr)
    for slot in record.slots.tolist():
        clean = torch.from_numpy(record.frame(slot))
        noisy = noise(clean[None, None], np.random.default_rng([seed, slot]))[0, 0]
        begun = time.perf_counter()
        shares = cleaner.shares(noisy)
        event.seconds[NETWORK] = event.seconds.get(NETWORK, 0) + time.perf_counter() - begun
        event.last = clean, noisy, shares
        for method, setting, cleaned, seconds in _answers(cleaner, noisy, shares):
            tallies = event.tallies.setdefault(method, {})
            tally = tallies.setdefault(setting, CleaningTally(RATES, store.zr))
            tally.update(cleaned, noisy, clean)
            event.seconds[method] = event.seconds.get(method, 0) + seconds
    return event


def _answers(
    cleaner: Cleaner, noisy: Tensor, shares: Tensor
) -> Iterator[tuple[str, str, Tensor, float]]:
    """Every cleaner's frame at every setting, and the mean time of a setting."""
    for strictness in STRICTNESSES:
        begun = time.perf_counter()
        cleaned = cleaner.at(strictness).judged(noisy, shares)
        seconds = (time.perf_counter() - begun) / len(STRICTNESSES)
        yield NETWORK, f"strictness {strictness:g}", cleaned, seconds
    for method, settings in CLASSIC.items():
        for setting, clean in settings.items():
            begun = time.perf_counter()
            filtered = torch.from_numpy(clean(noisy.numpy()))
            yield method, setting, filtered, (time.perf_counter() - begun) / len(settings)
    yield NOTHING, "", noisy, 0.0


def pooled(events: Sequence[Event]) -> dict[str, Settings]:
    """The counts of all events, each by the Z–R relation of its own product."""
    methods: dict[str, Settings] = {}
    for event in events:
        for method, settings in event.tallies.items():
            held = methods.setdefault(method, {})
            for setting, tally in settings.items():
                total = held.setdefault(setting, CleaningTally(RATES, tally.zr))
                total.frames += tally.frames
                for name, counts in tally.counts.items():
                    total.counts[name] = total.counts[name] + counts
    return methods


def best_settings(methods: Mapping[str, Settings]) -> dict[str, str]:
    """The setting of each cleaner with the greatest CSI, the mean of those of CHOSEN_AT mm/h.

    A rate at which the CSI is undefined does not count.

    Raises:
        ValueError: If it is undefined at all of them for every setting of a cleaner.
    """
    return {method: _best(method, settings) for method, settings in methods.items()}


def _best(method: str, settings: Settings) -> str:
    places = [RATES.index(rate) for rate in CHOSEN_AT]
    scores = {name: tally.csi()[places] for name, tally in settings.items()}
    known = {name: np.nanmean(csi) for name, csi in scores.items() if np.isfinite(csi).any()}
    if not known:
        raise ValueError(
            f"{TITLES.get(method, method)}: expected validation frames with rain of "
            f"{min(CHOSEN_AT):g} mm/h or more to choose its setting by, found none; give stores "
            "whose last frames have rain"
        )
    return max(known, key=lambda name: float(known[name]))


def compare_cleaners(
    cleaner: Cleaner,
    tests: Sequence[Record],
    validation: Sequence[Record],
    noise: Noise,
    frames: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """The trained cleaner beside the filters, on noisy frames that it was not trained on.

    Args:
        cleaner: The trained one.
        tests: What the figures are of.
        validation: Where each cleaner's setting is chosen.
        noise: At the level of the test.
        frames: At most so many of each test record, evenly chosen; half as many of the others.
        progress: Called with the records done and all of them.
    """
    done = 0

    def judged(records: Sequence[Record], count: int, seed: int) -> list[Event]:
        nonlocal done
        events = []
        for record in records:
            events.append(judge_event(cleaner, record.some(count), noise, seed))
            done += 1
            if progress:
                progress(done, len(tests) + len(validation))
        return events

    chosen = best_settings(pooled(judged(validation, max(frames // 2, 1), VALIDATION_SEED)))
    return Comparison(cleaner, judged(tests, frames, TEST_SEED), chosen)


@dataclass
class Comparison:
    """How cleaners did on test frames.

    Args:
        cleaner: The trained one.
        events: What they did, a record each.
        chosen: Cleaner → setting that validation frames chose.
    """

    cleaner: Cleaner
    events: list[Event]
    chosen: dict[str, str]

    def methods(self) -> list[MethodFacts]:
        """For the page, the trained one first."""
        return _method_facts(pooled(self.events), self.chosen, self.events)

    def at_equal_loss(self, event: Event, rate: float) -> dict[str, float]:
        """Clutter left of ≥ rate mm/h where each loses as much rain as the trained one, chosen."""
        tally = event.tallies[NETWORK][self.chosen[NETWORK]]
        lost = float(tally.rain_lost()[RATES.index(rate)])
        methods = _method_facts(event.tallies, self.chosen, [event])
        return {"rain lost": lost, **{m.name: left_at(m, rate, lost) for m in methods}}

    def rows(self) -> list[PictureRow]:
        """The last frame of each event, as each cleaner left it at its chosen setting."""
        rows = []
        for event in self.events:
            if event.last is None:
                continue
            clean, noisy, shares = event.last
            made = {
                method: cleaned.numpy()
                for method, setting, cleaned, _ in _answers(self.cleaner, noisy, shares)
                if method != NOTHING and setting == self.chosen[method]
            }
            rows.append(PictureRow(event.name, clean.numpy(), noisy.numpy(), made, zr=event.zr))
        return rows


def _method_facts(
    methods: Mapping[str, Settings], chosen: Mapping[str, str], events: Sequence[Event]
) -> list[MethodFacts]:
    frames = sum(event.frames for event in events)
    return [
        MethodFacts(
            name,
            title=TITLES[name],
            kind="network" if name == NETWORK else "nothing" if name == NOTHING else "classic",
            parameter=chosen[name],
            cleaning=methods[name],
            chosen=chosen[name],
            seconds_per_1000=1000 * sum(event.seconds.get(name, 0) for event in events) / frames,
        )
        for name in TITLES
    ]

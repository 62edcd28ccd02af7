"""The sums of a verification on disk: one small scores file for each stretch of issue times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from flows.forecasting import PAST
from flows.merging import COMPRESSION
from flows.program import program
from flows.scores_files import read_header
from flows.verification import Comparison
from nowcast.verification.tally import Tally
from pipeline.forecasts import NETCDF

SLOTS = 24
FOLDER = "parts"
UNREADABLE = (OSError, ValueError, KeyError)


@dataclass(frozen=True)
class Job:
    """Issue times whose sums belong into one file.

    Args:
        path: The file.
        slots: All that it is to hold.
        missing: Those that are still to be counted.
        attributes: By which the file is known to be up to date.
    """

    path: Path
    slots: tuple[int, ...]
    missing: tuple[int, ...]
    attributes: dict[str, str]


def plan(comparison: Comparison, slots: Sequence[int], out: Path) -> Iterator[Job]:
    """What is to be counted under a folder, stretch by stretch of SLOTS slots, in order.

    What a file holds is kept where forecasters, protocol, program and frames are as they were.
    """
    store = comparison.store
    first = int(store.times[0].astype("datetime64[s]").astype(np.int64))
    offset = first // int(store.cadence / np.timedelta64(1, "s"))
    for _, group in groupby(slots, lambda slot: (slot + offset) // SLOTS):
        members = tuple(group)
        start = store.times[members[0]] - (members[0] + offset) % SLOTS * store.cadence
        path = out / FOLDER / f"{_compact(start)}.nc"
        counted = _counted(comparison, path, members)
        missing = tuple(slot for slot in members if slot not in counted)
        yield Job(path, members, missing, identity(comparison, members))


def _compact(time: np.datetime64) -> str:
    return np.datetime_as_string(time, unit="s").replace("-", "").replace(":", "")


def identity(comparison: Comparison, slots: Sequence[int]) -> dict[str, str]:
    """What the sums of these issue times follow from, as attributes of a file."""
    store, protocol = comparison.store, comparison.protocol
    times = store.times[list(slots)]
    made = {
        "program": program(),
        "past": PAST,
        "rules": protocol.id,
        "protocol": asdict(protocol),
        "forecasters": {
            name: entrant.fingerprint(times) for name, entrant in comparison.entrants.items()
        },
    }
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:32]
    seen = slice(max(slots[0] + 1 - PAST, 0), slots[-1] + 1 + comparison.steps)
    return {"made_by": digest, "frames_fingerprint": store.fingerprint(seen)}


def _counted(comparison: Comparison, path: Path, wanted: Sequence[int]) -> set[int]:
    """The slots whose sums a file holds, if it is up to date and holds no others."""
    if not path.exists():
        return set()
    try:
        with NETCDF:
            attributes, times = read_header(path)
    except UNREADABLE:
        return set()
    slots = _slots(comparison, times)
    if not slots or not {*slots} <= {*wanted}:
        return set()
    same = all(attributes.get(key) == held for key, held in identity(comparison, slots).items())
    return {*slots} if same else set()


def _slots(comparison: Comparison, times: NDArray[np.datetime64]) -> list[int]:
    """Slots of issue times, none if one is off the axis."""
    axis = comparison.store.times
    places = np.searchsorted(axis, times)
    inside = places.size > 0 and places.max() < axis.size
    return places.tolist() if inside and np.array_equal(axis[places], times) else []


def write_part(job: Job, counted: xr.Dataset) -> Path:
    """Put sums into the file of a job, besides those that it holds already, whole or not at all.

    Args:
        job: Where they belong.
        counted: The sums of the job's missing issue times; their attribute `seconds` tells how
            long the forecasts took.
    """
    tally, seconds = Tally.from_dataset(counted), json.loads(counted.attrs["seconds"])
    if len(job.missing) < len(job.slots):
        with NETCDF, xr.open_dataset(job.path, decode_timedelta=False) as held:
            tally = Tally.from_dataset(held.load()) + tally
            earlier = json.loads(held.attrs["seconds"])
        seconds = {name: seconds[name] + earlier[name] for name in seconds}
    part = tally.sums().assign_attrs(job.attributes, seconds=json.dumps(seconds))
    return write_whole(job.path, part)


def write_whole(path: Path, scores: xr.Dataset) -> Path:
    """Write a netCDF file; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    encoding = dict.fromkeys(scores.data_vars, COMPRESSION)
    with NETCDF:
        scores.to_netcdf(unfinished, engine="netcdf4", encoding=encoding)
    return unfinished.replace(path)


def seconds_of(paths: Sequence[Path]) -> dict[str, float]:
    """Seconds of one forecast by forecaster, on average over the issue times of files."""
    spent, count = dict[str, float](), 0
    for path in paths:
        with NETCDF:
            attributes, times = read_header(path)
        count += times.size
        for name, seconds in json.loads(attributes["seconds"]).items():
            spent[name] = spent.get(name, 0.0) + seconds
    return {name: seconds / count for name, seconds in spent.items()}

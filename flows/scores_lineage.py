"""What scores were counted from: who forecast, and on which frames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.entrants import Entrant, Filed
from flows.forecasting import NONE, PAST
from flows.links import Link
from flows.networks_lineage import checkpoint_link, code_link
from flows.program import program
from flows.scores_files import opened, opened_netcdf
from flows.source_files import Sources
from flows.used_frames import Used
from flows.verification import Comparison, Request
from nowcast.checkpoint import code_version, fingerprint
from nowcast.forecasters import FORECASTERS, Rollout
from pipeline.clock import clock
from pipeline.forecasts import open_forecast
from pipeline.store import Store

SCORES = "scores.nc"
TOLD = ("store", "frames_seen", "forecasters_from")


def scores_link(path: Path, sources: Sources) -> Link:
    """Scores, who forecast, and the frames that were looked back on and compared."""
    with opened(path) as held:
        about = dict(held.attrs)
        issued = held["issue_time"].to_numpy().astype("datetime64[ns]")
        names, steps = held["forecaster"].to_numpy().tolist(), held.sizes["lead_time"]
    facts = {
        "forecasters": names,
        "issue_times": issued.size,
        "period": [clock(issued[0]), clock(issued[-1])] if issued.size else None,
        "protocol_id": about.get("protocol_id"),
    }
    absent = [name for name in TOLD if name not in about]
    broken = (f"{path}: does not tell {', '.join(absent)}; verify anew",) if absent else ()
    origins = list(_forecasters(path, about, sources))
    if "store" in about and issued.size:
        used = Used(about["store"], path, about["product"], fingerprint=about.get("frames_seen"))
        origins.append(used.trace(lambda store: _seen(store, issued, steps), sources))
    origins.append(code_link(about))
    return Link("scores", str(path), facts, broken, tuple(origins))


def _seen(store: Store, issued: NDArray[np.datetime64], steps: int) -> NDArray[np.int64]:
    return np.arange(store.slot(issued[0]) + 1 - PAST, store.slot(issued[-1]) + 1 + steps)


def _forecasters(path: Path, about: Mapping[str, Any], sources: Sources) -> Iterator[Link]:
    for name, told in json.loads(about.get("forecasters_from", "{}")).items():
        links = tuple(
            checkpoint_link(one["checkpoint_path"], one["checkpoint"], path, sources)
            for one in told["checkpoints"]
        )
        yield Link("forecaster", name, {"folders": told["folders"]}, (), links)


def origins_of_scores(
    comparison: Comparison, request: Request, slots: Sequence[int]
) -> dict[str, str]:
    """Attributes that tell what the scores of some issue times are counted from.

    `forecasters_from` is JSON: forecaster → `checkpoints`, a list of {checkpoint,
    checkpoint_path, files}, and the `folders` of the files. `frames_seen` is the fingerprint of the
    store's slots from the first frame looked back on to the last one compared.
    """
    store = comparison.store
    paths = _checkpoints(request)
    made = {name: _maker(entrant, paths, store) for name, entrant in comparison.entrants.items()}
    seen = slice(max(slots[0] + 1 - PAST, 0), slots[-1] + 1 + comparison.steps)
    return {
        "store": str(store.address),
        "frames_seen": store.fingerprint(seen),
        "code_version": code_version(),
        "program": program(),
        "forecasters_from": json.dumps(made),
    }


def _checkpoints(request: Request) -> dict[str, str]:
    """Fingerprint → path of the networks that are compared."""
    paths = [Path(name).absolute() for name in request.forecasters if name not in FORECASTERS]
    return {fingerprint(path): str(path) for path in paths if path.is_file()}


def _maker(entrant: Entrant, paths: Mapping[str, str], store: Store) -> dict[str, Any]:
    if isinstance(entrant, Filed):
        return _filed(entrant, store)
    forecaster = getattr(entrant, "forecaster", None)
    if not isinstance(forecaster, Rollout):
        return {"checkpoints": [], "folders": []}
    path = paths.get(forecaster.fingerprint, NONE)
    one = {"checkpoint": forecaster.fingerprint, "checkpoint_path": path, "files": 0}
    return {"checkpoints": [one], "folders": []}


def _filed(entrant: Filed, store: Store) -> dict[str, Any]:
    """The checkpoints that files name, and in how many files each."""
    files = sorted({path for path, _ in entrant.places.values()})
    counts: Counter[tuple[str, ...]] = Counter()
    for path in files:
        about = _attributes(path, store)
        counts[tuple(str(about.get(name, NONE)) for name in ("checkpoint", "checkpoint_path"))] += 1
    checkpoints = [
        {"checkpoint": checkpoint, "checkpoint_path": path, "files": count}
        for (checkpoint, path), count in counts.items()
        if checkpoint != NONE
    ]
    return {"checkpoints": checkpoints, "folders": sorted({str(path.parent) for path in files})}


def _attributes(path: Path, store: Store) -> Mapping[str, Any]:
    if path.suffix == ".nc":
        with opened_netcdf(path) as held:
            return {name: held.getncattr(name) for name in held.ncattrs()}
    with open_forecast(path, store.zr) as forecast:
        return dict(forecast.attrs)

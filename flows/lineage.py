"""What a forecast, scores, a tensor set or a checkpoint was made of, back to the radar files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.forecasting import NONE, PAST
from flows.links import Link
from flows.networks_lineage import checkpoint_link, code_link, tensors_link
from flows.scores_files import opened
from flows.scores_lineage import SCORES, scores_link
from flows.source_files import Sources
from flows.used_frames import Used
from nowcast.forecasters import FORECASTERS
from nowcast.training.loop import BEST
from pipeline.clock import clock
from pipeline.forecasts import open_forecast
from pipeline.manifest import NAME as MANIFEST

Times = NDArray[np.datetime64]


def trace(path: Path, sources: Sources | None = None) -> Link:
    """What a file was made of, and whether all of it is still as it was.

    Args:
        path: A forecast file, a scores file or the report beside it, a checkpoint or the folder of
            its run, or a tensor set.
        sources: Where the radar files are looked for.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If it is something else.
    """
    sources = sources or Sources()
    if not path.exists():
        raise FileNotFoundError(f"{path}: nothing here to trace back; name a file that was made")
    if path.suffix == ".html":
        return _report(path, sources)
    if (path / MANIFEST).exists():
        return tensors_link(path, sources)
    if path.suffix == ".safetensors" or (path / BEST).exists():
        return checkpoint_link(str(path / BEST if path.is_dir() else path), None, path, sources)
    if path.suffix == ".nc" and _is_scores(path):
        return scores_link(path, sources)
    if path.suffix in (".nc", ".zarr"):
        return _forecast(path, sources)
    raise ValueError(
        f"{path}: expected a forecast, scores, a report, a checkpoint or a tensor set, found "
        "something else"
    )


def _is_scores(path: Path) -> bool:
    with opened(path) as held:
        return "protocol" in held.attrs


def _report(path: Path, sources: Sources) -> Link:
    scores = path.with_name(SCORES)
    if not scores.exists():
        return Link("report", str(path), {}, (f"{scores}: the scores of {path} are gone",))
    return Link("report", str(path), {}, (), (scores_link(scores, sources),))


def _forecast(path: Path, sources: Sources) -> Link:
    with open_forecast(path) as held:
        about = dict(held.attrs)
        issued = held["issue_time"].to_numpy().astype("datetime64[ns]")
        leads = held["lead_time"].to_numpy().tolist()
    facts = {"issue_times": list(map(clock, issued)), "lead_minutes": leads}
    facts |= {key: about[key] for key in ("made_by", "fallback") if key in about}
    broken: tuple[str, ...] = ()
    origins = [_forecaster(str(about.get("forecaster", "unknown")), about, path, sources)]
    try:
        origins.append(_seen(path, about, issued, sources))
    except ValueError as error:
        broken = (str(error),)
    origins.append(code_link(about))
    return Link("forecast", str(path), facts, broken, tuple(origins))


def _forecaster(name: str, about: Mapping[str, Any], path: Path, sources: Sources) -> Link:
    """Who made a forecast, and if it is a network its checkpoint."""
    fingerprint, told = (str(about.get(key, NONE)) for key in ("checkpoint", "checkpoint_path"))
    if fingerprint != NONE:
        link = checkpoint_link(told, fingerprint, path, sources)
        return Link("forecaster", name, {}, (), (link,))
    if about.get("made_by", name) in FORECASTERS:
        return Link("forecaster", name)
    return Link("forecaster", name, {}, (f"{path}: does not name the checkpoint of {name}",))


def _seen(path: Path, about: Mapping[str, Any], issued: Times, sources: Sources) -> Link:
    """The frames that a forecast saw.

    Raises:
        ValueError: If the file does not tell them.
    """
    absent = [name for name in ("store", "product", "inputs") if name not in about]
    if absent:
        raise ValueError(f"{path}: does not tell {', '.join(absent)}; forecast anew")
    try:
        frames = json.loads(about["inputs"])
        hashes = {frame["valid_time"]: frame["content_hash"] for frame in frames}
        names = {frame["valid_time"]: frame["source"] for frame in frames}
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        found = str(about["inputs"])[:40]
        raise ValueError(
            f"{path}: expected frames with valid_time, source and content_hash in the attribute "
            f"inputs, found {found}"
        ) from error
    store, product = about["store"], about["product"]
    snapshot, mark = about.get("store_snapshot"), about.get("store_fingerprint")
    used = Used(store, path, product, hashes, mark, snapshot, names)
    back = range(1 - PAST, 1)
    return used.trace(
        lambda store: np.unique([store.slot(time) + step for time in issued for step in back]),
        sources,
    )

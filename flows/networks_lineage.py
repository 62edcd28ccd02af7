"""What a network was trained on: from its checkpoint to the tensor sets and their stores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flows.forecasting import NONE
from flows.links import Link, candidates
from flows.program import program
from flows.source_files import Sources
from flows.training import provenance_of
from flows.used_frames import Used
from nowcast.checkpoint import Checkpoint, code_version, fingerprint, load_checkpoint
from pipeline.changes import NO_FRAME, number_of
from pipeline.manifest import NAME, Manifest
from pipeline.packed_frame import content_hash
from pipeline.tensor_set import TensorSet
from pipeline.windows import as_datetime64

TELLS_SETS_APART = ("product", "period", "past", "future", "store_fingerprint")
LEVELS = 4


def code_link(about: Mapping[str, Any]) -> Link:
    """The program that made something, as its attributes tell, and whether it is this one."""
    told = about.get("code_version")
    facts = {"this_version": code_version()}
    if "program" in about:
        facts |= {"program": about["program"], "this_program": program()}
    fault = () if told else ("code: the version that made it is not told",)
    return Link("code version", str(told or "unknown"), facts, fault)


def checkpoint_link(told: str, expected: str | None, near: Path, sources: Sources) -> Link:
    """A checkpoint and what it was trained on.

    Args:
        told: Its path, as it was.
        expected: The fingerprint that it had; None where it is not told.
        near: What was made with it.
        sources: Where the radar files are looked for.
    """
    facts = {"fingerprint": expected}
    if told == NONE:
        return Link("checkpoint", told, facts, (f"{near}: does not name its checkpoint's path",))
    there = [path for path in candidates(told, near) if path.is_file()]
    alike = [path for path in there if expected in (None, fingerprint(path))]
    if not there:
        sentence = f"{told}: expected checkpoint {expected}, found no file"
        return Link("checkpoint", told, facts, (sentence,))
    if not alike:
        found = fingerprint(there[0])
        sentence = f"{there[0]}: expected checkpoint {expected}, found {found}; it was replaced"
        return Link("checkpoint", told, facts | {"found": found}, (sentence,))
    try:
        return _loaded(alike[0], load_checkpoint(alike[0]), sources)
    except ValueError as error:
        return Link("checkpoint", str(alike[0]), facts, (str(error),))


def _loaded(path: Path, checkpoint: Checkpoint, sources: Sources) -> Link:
    recipe = checkpoint.recipe
    origins = (
        Link("recipe", recipe.name, {"entries": json.loads(recipe.to_json())}),
        *_trained_on(path, checkpoint.provenance, sources),
        code_link({"code_version": checkpoint.code_version}),
    )
    facts = {"fingerprint": checkpoint.fingerprint, "step": checkpoint.step}
    broken = () if checkpoint.provenance else (f"{path}: does not say what it was trained on",)
    return Link("checkpoint", str(path), facts, broken, origins)


def _trained_on(path: Path, provenance: Mapping[str, Any], sources: Sources) -> Iterator[Link]:
    """The tensor sets of a training, looked for where they were and round the run's folder."""
    beside = dict(_sets_round(path))
    found = []
    for told in provenance.get("tensor_sets", ()):
        alike = [place for place, manifest in beside.items() if _same_set(manifest, told)]
        if not alike:
            yield _absent(path, told, beside)
            continue
        found.append(alike[0])
        yield tensors_link(alike[0], sources)
    if found and len(found) == len(provenance["tensor_sets"]):
        yield from _other_content(found, provenance)


def _other_content(found: list[Path], provenance: Mapping[str, Any]) -> Iterator[Link]:
    """Sets of the same frames may still differ in splits or acceptance."""
    try:
        content = provenance_of([TensorSet.open(place) for place in found])["fingerprint"]
    except (OSError, ValueError):
        return
    if content != provenance.get("fingerprint"):
        names = ", ".join(map(str, found))
        sentence = f"{names}: expected content {provenance.get('fingerprint')}, found {content}"
        yield Link("content", content, {}, (f"{sentence}; built anew since",))


def _sets_round(path: Path) -> Iterator[tuple[Path, Manifest]]:
    for parent in path.absolute().parents[:LEVELS]:
        for file in [parent / NAME, *sorted(parent.glob(f"*/{NAME}"))]:
            try:
                yield file.parent, Manifest.read(file.parent)
            except (OSError, ValueError):
                continue


def _same_set(manifest: Manifest, told: Mapping[str, Any]) -> bool:
    held = manifest.provenance()
    return all(held[name] == told.get(name) for name in TELLS_SETS_APART)


def _absent(path: Path, told: Mapping[str, Any], beside: Mapping[Path, Manifest]) -> Link:
    period = told.get("period", {})
    name = f"{told.get('product')} from {period.get('start')} to {period.get('end')}"
    others = f", only of other content in {', '.join(map(str, beside))}" if beside else ""
    sentence = (
        f"{path}: expected its tensor set of {name} in a folder round it, found none{others}; "
        "it was removed or built anew"
    )
    return Link("tensor set", name, dict(told), (sentence,))


def tensors_link(path: Path, sources: Sources) -> Link:
    """A tensor set and the store that it was built of.

    The frames are those of its period, with those that no window holds. The set's own frames are
    compared with their content hashes where the sources are to be hashed.
    """
    try:
        tensors = TensorSet.open(path)
    except (OSError, ValueError) as error:
        return Link("tensor set", str(path), {}, (str(error),))
    manifest = tensors.manifest
    names = {"product", "period", "cadence_minutes", "frames", "past", "future", "splits"}
    facts = manifest.model_dump(mode="json", include=names)
    used = Used(
        manifest.store,
        path,
        manifest.product,
        _hashes(tensors),
        manifest.store_fingerprint,
        manifest.store_snapshot,
    )
    first, last = (as_datetime64(time) for time in (manifest.period.start, manifest.period.end))
    behind = used.trace(lambda store: np.arange(store.slot(first), store.slot(last) + 1), sources)
    broken = tuple(_damage(tensors, sources)) if sources.hashed else ()
    return Link("tensor set", str(path), facts, broken, (behind,))


def _hashes(tensors: TensorSet) -> dict[str, str]:
    """Valid time → the first digits of the content hash, of the period's frames."""
    contents = np.asarray(tensors.contents)
    first = as_datetime64(tensors.manifest.period.start)
    step = np.timedelta64(round(60 * tensors.manifest.cadence_minutes), "s")
    times = np.datetime_as_string(first + step * np.arange(contents.size), unit="s")
    return {
        str(time): f"{int(number):016x}"
        for time, number in zip(times, contents, strict=True)
        if number != NO_FRAME
    }


def _damage(tensors: TensorSet, sources: Sources) -> Iterator[str]:
    known = set(np.asarray(tensors.contents).tolist())
    frames = sources.counted(tensors.frames, len(tensors.frames))
    others = sum(number_of(content_hash(frame)) not in known for frame in frames)
    if others:
        yield f"{tensors.path}: {others} of its frames are not those of the store; build it anew"

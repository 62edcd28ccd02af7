"""Which network is in service, and when a newer one takes its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.journal import note
from flows.service.moments import moment
from flows.service.whole import write_whole

if TYPE_CHECKING:
    from flows.service.candidate import Candidate
    from pipeline.store import Store

IN_SERVICE = "in-service.json"
HISTORY = "history.jsonl"


class InService(BaseModel):
    """The network in service.

    Args:
        checkpoint: Of the network; whether it is still there is for the reader to see.
        name: How its forecasts and scores are called: the name of its recipe.
        since: When it was put into service, ISO 8601 UTC; empty if the configuration names it.
        why: One sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: Path
    name: str
    since: str
    why: str


def network_in_service(configuration: Configuration) -> InService | None:
    """The network that training promoted last, else the configuration's checkpoint, if any.

    Raises:
        ValueError: If the record of what was promoted is damaged.
    """
    record = Folders(configuration.out).models / IN_SERVICE
    try:
        told = InService.model_validate_json(record.read_bytes())
    except FileNotFoundError:
        return _configured(configuration.checkpoint)
    except ValidationError as error:
        raise ValueError(
            f"{record}: expected the network in service as JSON, found "
            f"{error.errors()[0]['msg']}; remove the file to go back to the configuration"
        ) from error
    return told.model_copy(update={"checkpoint": record.parent / told.checkpoint})


def _configured(checkpoint: Path | None) -> InService | None:
    if checkpoint is None:
        return None
    why = "The configuration names it."
    return InService(checkpoint=checkpoint, name=recipe_name(checkpoint), since="", why=why)


def recipe_name(checkpoint: Path) -> str:
    """The name of the recipe of a checkpoint; that of the file where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, framework="np") as file:
            return str(json.loads((file.metadata() or {})["nowcast"])["recipe"]["name"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return checkpoint.stem


class Decision(BaseModel):
    """What became of a training.

    Args:
        promoted: Whether its network is in service now.
        why: One sentence.
        checkpoint: Of the network that was trained, if one was.
        report: Where it is compared with the one in service, if it was.
    """

    model_config = ConfigDict(frozen=True)

    promoted: bool
    why: str
    checkpoint: Path | None = None
    report: Path | None = None


def train_and_promote(configuration: Configuration, now: np.datetime64) -> Decision:
    """Train a network on the newest days, and put it into service if it is better.

    It is better if the interval of its CSI less that of the network in service, or of
    extrapolation where there is none, lies above zero; see `margin`. They are compared on nothing
    that either was trained on. A training that was cut goes on where it was.

    Args:
        configuration: Names the store, the recipe and the folder.
        now: In UTC; names the folder of the training.

    Raises:
        ValueError: If there is no such recipe, the store is none, or the record of what is in
            service is damaged.
    """
    from flows.service.candidate import TooFewFramesError, undertake
    from nowcast.recipes import find_recipe
    from pipeline.store import Store

    if configuration.training.recipe is None:
        return Decision(promoted=False, why="training: the configuration names no recipe")
    find_recipe(configuration.training.recipe)
    try:
        store = Store.open(configuration.store)
        candidate = undertake(configuration, store, now)
    except (FileNotFoundError, TooFewFramesError) as error:
        return _noted(configuration, now, Decision(promoted=False, why=str(error)))
    if candidate.decision.exists():
        return Decision.model_validate_json(candidate.decision.read_bytes())
    try:
        decision = _decide(configuration, store, candidate, now)
    except TooFewFramesError as error:
        shutil.rmtree(candidate.folder)
        return _noted(configuration, now, Decision(promoted=False, why=str(error)))
    _noted(configuration, now, decision)
    write_whole(candidate.decision, decision)
    return decision


def _decide(
    configuration: Configuration, store: Store, candidate: Candidate, now: np.datetime64
) -> Decision:
    from flows.forecasting import lead_steps
    from flows.service.candidate import check_sufficient
    from flows.service.contest import compare, find_rival

    present = network_in_service(configuration)
    if present is not None and candidate.folder in present.checkpoint.parents:
        return Decision(promoted=True, why=present.why, checkpoint=present.checkpoint)
    rival = find_rival(present, store, candidate.plan.splits["test"])
    check_sufficient(store, rival.test, lead_steps(store, configuration.lead_minutes))
    checkpoint = candidate.train(store)
    verdict = compare(configuration, candidate, checkpoint, rival)
    if verdict.promoted:
        _put_into_service(configuration, checkpoint, candidate.name, verdict.why, now)
    return Decision(
        promoted=verdict.promoted, why=verdict.why, checkpoint=checkpoint, report=verdict.report
    )


def _put_into_service(
    configuration: Configuration, checkpoint: Path, name: str, why: str, now: np.datetime64
) -> None:
    """Paths are kept relative, so that the folder of the service can be moved."""
    models = Folders(configuration.out).models
    place = checkpoint.relative_to(models)
    record = InService(checkpoint=place, name=name, since=_written(now), why=why)
    write_whole(models / IN_SERVICE, record)


def _noted(configuration: Configuration, now: np.datetime64, decision: Decision) -> Decision:
    record = {"made": _written(now), **decision.model_dump(mode="json")}
    note(Folders(configuration.out).models / HISTORY, record)
    return decision


def _written(now: np.datetime64) -> str:
    return moment(now).isoformat(timespec="milliseconds").replace("+00:00", "Z")

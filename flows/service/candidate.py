"""A network trained on the newest days of a store, in a folder of its own."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict

from data_catalog.product import Period, Split
from flows.forecasting import PAST, lead_steps
from flows.periods import issue_slots
from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.margin import FEWEST_BLOCKS, blocks
from flows.service.moments import stamp
from flows.service.whole import write_whole
from flows.training import LARGEST_TEST, train_network
from nowcast.checkpoint import load_checkpoint
from nowcast.recipes import find_recipe
from nowcast.report.intervals import RAIN_MINUTES
from pipeline.clock import clock, compact_clock
from pipeline.store import FILLED, Store
from pipeline.tensors import build_tensors
from pipeline.windows import FRACTIONS, WindowRule, as_datetime, split_periods, usual_guard

# until then frames may still come late or be revised
SETTLED = np.timedelta64(30, "m")
# between what a network was trained on and what it is tested on
GUARD = np.timedelta64(1, "h")
# a training that was cut goes on within this time, later another begins
GOES_ON = np.timedelta64(2, "D")

_PLAN = "training.json"

Fractions = tuple[float, float, float]


class TooFewFramesError(ValueError):
    """There is too little to train on, or to tell who is better."""


class Plan(BaseModel):
    """What a training was begun with, as JSON beside it.

    Args:
        recipe: Its name in RECIPES.
        steps: In place of the recipe's.
        splits: From which frames it learns, chooses its weights and is tested.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    steps: int | None
    splits: dict[Split, Period]


@dataclass(frozen=True)
class Candidate:
    """A training and all that it leaves.

    Args:
        folder: Its own, named by when it began.
        plan: What it was begun with.
    """

    folder: Path
    plan: Plan

    @property
    def name(self) -> str:
        """How its forecasts and scores are called; no other network has it."""
        return f"{self.plan.recipe}-{self.folder.name}"

    @property
    def verification(self) -> Path:
        """Where it is compared with others."""
        return self.folder / "verification"

    @property
    def decision(self) -> Path:
        """What became of it; there once it is over."""
        return self.folder / "decision.json"

    def train(self, store: Store) -> Path:
        """The best checkpoint; goes on where it was cut, begins anew if frames changed since.

        Raises:
            ValueError: If the frames do not fit the recipe.
        """
        splits = {name: (period,) for name, period in self.plan.splits.items()}
        tensors = build_tensors(store, self.folder / "tensors", splits=splits)
        recipe = replace(find_recipe(self.plan.recipe), name=self.name)
        if self.plan.steps is not None:
            recipe = replace(recipe, steps=self.plan.steps)
        run = self.folder / "run"
        try:
            return train_network([tensors.path], recipe, run, resume=True)
        except ValueError:
            if not run.exists():
                raise
            shutil.rmtree(run)
            return train_network([tensors.path], recipe, run)


def undertake(configuration: Configuration, store: Store, now: np.datetime64) -> Candidate:
    """The training that was cut last, if it was of this recipe, else a new one.

    Raises:
        TooFewFramesError: If the newest days of the store do not suffice.
    """
    training = configuration.training
    models = Folders(configuration.out).models
    named = (training.recipe, training.steps)
    folder = models / compact_clock(now)
    earliest = compact_clock(now - GOES_ON)
    begun = [path.parent for path in models.glob(f"*/{_PLAN}") if path.parent != folder]
    for place in [folder, *sorted(begun, reverse=True)]:
        candidate = _begun(place)
        if candidate is None or not earliest <= place.name <= folder.name:
            continue
        going_on = not candidate.decision.exists() or place == folder
        if going_on and (candidate.plan.recipe, candidate.plan.steps) == named:
            return candidate
    steps = lead_steps(store, configuration.lead_minutes)
    splits = _splits(store, np.timedelta64(training.days, "D"), steps)
    plan = Plan(recipe=str(training.recipe), steps=training.steps, splits=splits)
    write_whole(folder / _PLAN, plan)
    return Candidate(folder, plan)


def _begun(folder: Path) -> Candidate | None:
    try:
        return Candidate(folder, Plan.model_validate_json((folder / _PLAN).read_bytes()))
    except (OSError, ValueError):
        return None


def _splits(store: Store, length: np.timedelta64, steps: int) -> dict[Split, Period]:
    newest = store.newest()
    if newest is None:
        raise TooFewFramesError(
            f"{store.address}: the store holds no frame yet; ingest files first"
        )
    end = newest - SETTLED
    stretch = store.slots_between(end - length, end)
    times = store.times[stretch]
    observed = np.isin(store.column("status", stretch), FILLED)
    block = np.timedelta64(RAIN_MINUTES, "m") / store.cadence
    guard = usual_guard(times[observed])
    frames = PAST + steps + FEWEST_BLOCKS * block + guard / store.cadence
    wanted = math.ceil(frames) / max(int(observed.sum()), 1)
    try:
        splits = split_periods(times, observed, WindowRule(), _fractions(wanted), guard=guard)
    except ValueError as error:
        raise TooFewFramesError(f"{store.address}: {error}") from error
    return {name: periods[0] for name, periods in splits.items()}


def _fractions(wanted: float) -> Fractions:
    """The usual shares, or a larger test where the record is short."""
    if wanted <= FRACTIONS[2]:
        return FRACTIONS
    test = min(wanted, LARGEST_TEST)
    return 0.75 * (1 - test), 0.25 * (1 - test), test


def trained_on(checkpoint: Path) -> list[Period]:
    """From when to when the frames are that a network saw; empty where it does not say.

    Raises:
        ValueError: If there is no such checkpoint.
    """
    sets = load_checkpoint(checkpoint).provenance.get("tensor_sets", ())
    return [Period.model_validate(told["period"]) for told in sets if "period" in told]


def unseen(test: Period, seen: Iterable[Period]) -> Period:
    """The end of a test that lies behind all that a network was trained on.

    Raises:
        TooFewFramesError: If nothing is left.
    """
    start = stamp(test.start)
    for period in seen:
        if period.start <= test.end:
            start = max(start, stamp(period.end) + GUARD)
    if start > stamp(test.end):
        raise TooFewFramesError(
            f"the network in service was trained on frames up to {clock(start - GUARD)}, which "
            f"leaves nothing of the test up to {clock(stamp(test.end))} to compare on; "
            "train again when newer frames are there"
        )
    return Period(start=as_datetime(start), end=test.end)


def check_sufficient(store: Store, test: Period, steps: int) -> None:
    """Refuse a period from which nobody could be told to be better.

    Raises:
        TooFewFramesError: If its issue times make less than FEWEST_BLOCKS blocks.
    """
    start, end = stamp(test.start), stamp(test.end)
    try:
        slots = issue_slots(store, start, end, steps)
    except ValueError as error:
        raise TooFewFramesError(str(error)) from error
    found = blocks(xr.Dataset({"issue_time": ("issue_time", store.times[slots])}))
    if found < FEWEST_BLOCKS:
        raise TooFewFramesError(
            f"{store.address}: expected issue times of at least {FEWEST_BLOCKS} hours to tell who "
            f"is better, found {found:.1f} from {clock(start)} to {clock(end)}; ingest more frames"
        )

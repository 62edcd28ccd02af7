"""The recipes of several runs, set beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nowcast.report.training_facts import TrainingFacts
from nowcast.report.wording import UNDEFINED

Settings = list[tuple[str, tuple[Any, ...]]]


def settings_apart(runs: Sequence[TrainingFacts]) -> Settings:
    """(name, value of each run) of what differs, in the order of the recipes."""
    return [(name, values) for name, values in _settings(runs) if not _alike(values)]


def settings_shared(runs: Sequence[TrainingFacts]) -> list[tuple[str, Any]]:
    """(name, value) of what is the same in all runs."""
    return [(name, values[0]) for name, values in _settings(runs) if _alike(values)]


def _settings(runs: Sequence[TrainingFacts]) -> Settings:
    names = dict.fromkeys(name for run in runs for name in run.recipe)
    return [(name, tuple(run.recipe.get(name, UNDEFINED) for run in runs)) for name in names]


def _alike(values: tuple[Any, ...]) -> bool:
    return all(value == values[0] for value in values)

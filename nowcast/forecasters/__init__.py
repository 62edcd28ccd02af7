"""Whatever looks ahead; FORECASTERS is the table of those that need no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nowcast.checkpoint import load_checkpoint
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.forecaster import Forecaster
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.rollout import Rollout
from nowcast.tasks import NowcastTask

__all__ = [
    "FORECASTERS",
    "Extrapolation",
    "Forecaster",
    "Persistence",
    "Rollout",
    "load_forecaster",
]

FORECASTERS: dict[str, Callable[[], Forecaster]] = {
    "persistence": Persistence,
    "extrapolation": Extrapolation,
}


def load_forecaster(name_or_checkpoint: str) -> Forecaster:
    """The forecaster of that name in FORECASTERS, or the network of a checkpoint.

    Raises:
        ValueError: If it is neither, or the checkpoint is not of a nowcast.
    """
    if name_or_checkpoint in FORECASTERS:
        return FORECASTERS[name_or_checkpoint]()
    path = Path(name_or_checkpoint)
    if not path.is_file():
        raise ValueError(
            f"no forecaster {name_or_checkpoint!r}; expected one of {sorted(FORECASTERS)} "
            "or the path of a checkpoint"
        )
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    if not isinstance(recipe.task, NowcastTask):
        kind = type(recipe.task).__name__
        found = f"{path}: expected a network trained for NowcastTask, found {kind}"
        raise ValueError(found)  # noqa: TRY004
    return Rollout(checkpoint.network, recipe.task, recipe.name, checkpoint.fingerprint, match=True)

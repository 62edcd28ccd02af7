"""Which validation was the best, and how long ago."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nowcast.recipes import Recipe
from nowcast.training.metrics import accuracy
from nowcast.training.penalties import penalised_loss


@dataclass
class Best:
    """The best validation of a run by the recipe's figure.

    Args:
        recipe: Names the figure, and how many validations without a better one end the run.
        figure: Its mean loss with penalties, or the share of labels that was not found.
        stale: Validations since.
    """

    recipe: Recipe
    figure: float = math.inf
    stale: int = 0

    def improves(self, sums: Mapping[str, float]) -> bool:
        """Whether a further validation is better than all before; it is counted."""
        if self.recipe.best_by == "last":
            return True
        by_loss = self.recipe.best_by == "loss"
        figure = penalised_loss(sums) if by_loss else 1 - accuracy(sums)
        better = figure < self.figure
        self.figure = min(figure, self.figure)
        self.stale = 0 if better else self.stale + 1
        return better

    @property
    def exhausted(self) -> bool:
        """Whether the recipe's patience is at an end."""
        return 0 < self.recipe.patience <= self.stale

"""How well predicted membranes part the cells of a picture, over a sweep of thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from nowcast.evaluation.confusion import Scores
from nowcast.evaluation.overlaps import Labels, Mask, check_alike
from nowcast.evaluation.rand_scores import RandScores, rand_scores

THRESHOLDS = tuple(step / 10 for step in range(1, 11))


@dataclass(frozen=True)
class MembraneRow:
    """One picture: its name and its scores at each threshold."""

    name: str
    scores: tuple[RandScores, ...]


class MembraneTally:
    """Scores of pictures by threshold; a + b is the tally of both, in any order and any parts.

    Args:
        thresholds: A pixel is inside a cell where its membrane probability is below. Those of the
            challenge: probability of inside above 0, 0.1 … 0.9.
        thinned: Whether found membranes are thinned to lines of one pixel first, as the challenge
            does since 2015: it scores which cells are parted, not how wide a membrane is drawn.
            Where nothing is inside, each pixel is a segment of its own.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS, *, thinned: bool = True) -> None:
        if not thresholds:
            raise ValueError("membrane tally: expected 1 threshold or more, found none")
        self.thresholds, self.thinned = tuple(thresholds), thinned
        self.rows: tuple[MembraneRow, ...] = ()

    def update(
        self, membrane: ArrayLike, truth: Labels, *, name: str = "", field: Mask | None = None
    ) -> MembraneRow:
        """Add a picture.

        Args:
            membrane: (H, W) probability of membrane.
            truth: (H, W) above 0 inside of a cell, 0 membrane, −1 where a pixel does not count;
                its cells are the 4-connected components above 0.
            name: Of the picture.
            field: (H, W) which pixels count, all if none is given.

        Returns:
            Its row.

        Raises:
            ValueError: If shapes differ.
        """
        probability = np.asarray(membrane)
        check_alike(truth, probability, field)
        cells = np.where(truth < 0, -1, parted(truth > 0))
        scores = []
        for threshold in self.thresholds:
            found = parted(probability < threshold)
            found = grown(found) if self.thinned else found
            scores.append(rand_scores(cells, found, field))
        row = MembraneRow(name, tuple(scores))
        self.rows = _sorted([*self.rows, row])
        return row

    def __add__(self, other: MembraneTally) -> MembraneTally:
        if (self.thresholds, self.thinned) != (other.thresholds, other.thinned):
            raise ValueError(
                f"membrane tally: expected two of thresholds {self.thresholds} with thinning "
                f"{self.thinned}, found {other.thresholds} with {other.thinned}; make both alike"
            )
        both = MembraneTally(self.thresholds, thinned=self.thinned)
        both.rows = _sorted([*self.rows, *other.rows])
        return both

    def scores(self, name: str) -> Scores:
        """(thresholds,) mean over pictures of one of the `RandScores`.

        Missing: Pictures without true cells are left out.

        Undefined: NaN if none is left.
        """
        table = np.array([[getattr(one, name) for one in row.scores] for row in self.rows])
        known = table[~np.isnan(table).any(1)] if table.size else table
        return known.mean(0) if len(known) else np.full(len(self.thresholds), np.nan)

    def best(self, name: str = "v_rand") -> tuple[float, float]:
        """The threshold of the largest mean, and that mean; the lowest of several.

        The challenge takes this maximum on the very pictures that are scored. For a threshold that
        was chosen on other pictures use `at`.

        Undefined: NaN without cells.
        """
        means = self.scores(name)
        if np.isnan(means).all():
            return np.nan, np.nan
        place = int(np.argmax(means))
        return self.thresholds[place], float(means[place])

    def at(self, threshold: float) -> RandScores:
        """Means over pictures at one of the thresholds.

        Raises:
            ValueError: If it is none of them.
        """
        if threshold not in self.thresholds:
            raise ValueError(
                f"membrane tally: expected a threshold of {self.thresholds}, found {threshold}"
            )
        place = self.thresholds.index(threshold)
        return RandScores(*[float(self.scores(name)[place]) for name in RandScores._fields])


def parted(inside: Mask) -> NDArray[np.int32]:
    """Label the 4-connected components from 1; the rest is 0."""
    return np.asarray(ndimage.label(inside)[0], np.int32)


def grown(cells: NDArray[np.int32]) -> NDArray[np.int32]:
    """Grow cells over the membrane between them until a line of one pixel is left.

    A watershed of the flat membrane from the cells, 4-connected: each pixel goes to the cell that
    reaches it first.
    """
    from skimage import segmentation

    flood: Callable[..., NDArray[np.int32]] = segmentation.watershed
    flat = (cells == 0).view(np.uint8)
    return flood(flat, cells, connectivity=1, watershed_line=True)


def _sorted(rows: Iterable[MembraneRow]) -> tuple[MembraneRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.name))

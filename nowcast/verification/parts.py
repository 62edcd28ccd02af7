"""What can be counted."""

from __future__ import annotations

from collections.abc import Sequence

from nowcast.verification import (
    categorical,
    classes,
    continuous,
    maps,
    matched,
    probabilistic,
    sal,
    similarity,
    spatial,
    spectral,
)
from nowcast.verification.part import Part, Score, Sum

PARTS = {
    "categorical": categorical.PART,
    "continuous": continuous.PART,
    "spatial": spatial.PART,
    "matched": matched.PART,
    "classes": classes.PART,
    "maps": maps.PART,
    "spectral": spectral.PART,
    "sal": sal.PART,
    "similarity": similarity.PART,
    "probabilistic": probabilistic.PART,
}

SUMS = {name: kind for part in PARTS.values() for name, kind in part.sums.items()}
SCORES = {name: score for part in PARTS.values() for name, score in part.scores.items()}


def parts_of(names: Sequence[str]) -> dict[str, Part]:
    """The parts of those names.

    Raises:
        ValueError: If there is no such part, or the first is not the categorical one, whose counts
            of pixels the others divide by.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise ValueError(f"tally: no part {unknown[0]!r}; there are {sorted(PARTS)}")
    if "categorical" not in names:
        raise ValueError(f"tally: expected 'categorical' among the parts, found {list(names)}")
    return {name: PARTS[name] for name in names}


def sums_of(names: Sequence[str]) -> dict[str, Sum]:
    """The sums that parts keep."""
    return {name: kind for part in parts_of(names).values() for name, kind in part.sums.items()}


def scores_of(names: Sequence[str]) -> dict[str, Score]:
    """The scores that the parts' sums suffice for."""
    kept = sums_of(names)
    return {name: score for name, score in SCORES.items() if {*score.sums} <= {*kept}}

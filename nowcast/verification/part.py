"""A part of a tally: some sums, how one frame adds to them, and the scores made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from nowcast.verification.frame import Frame

BY_LEAD = ("forecaster", "lead_time")
BY_THRESHOLD = (*BY_LEAD, "threshold")
BY_SCALE = (*BY_THRESHOLD, "scale")

FRACTION = "0 to 1"
POSITIVE = "0 to infinity"
ANY = "-infinity to infinity"


@dataclass(frozen=True)
class Sum:
    """One sum over pixels.

    Args:
        long_name: For readers.
        dims: Without issue time.
        units: Of the sum.
        dtype: As it is stored.
        pooled: Kept for all issue times together. Integers only: their sum is exact in any order.
    """

    long_name: str
    dims: tuple[str, ...] = BY_LEAD
    units: str = "1"
    dtype: type = np.float64
    pooled: bool = False

    def __post_init__(self) -> None:
        if self.pooled and not np.issubdtype(self.dtype, np.integer):
            raise ValueError(
                f"sum {self.long_name!r}: expected integers where issue times are pooled, "
                f"found {self.dtype.__name__}; keep it by issue time"
            )


@dataclass(frozen=True)
class Score:
    """One score: a function of sums pooled over issue times.

    Args:
        long_name: For readers.
        function: Of the sums, then of the axes; its last dimensions are those of `dims`.
        sums: Their names.
        range: In words.
        best: Its best value.
        dims: Of the result.
        units: Of the result.
        axes: Coordinates that the function wants besides.
    """

    long_name: str
    function: Callable[..., Tensor]
    sums: tuple[str, ...]
    range: str
    best: str
    dims: tuple[str, ...] = BY_LEAD
    units: str = "1"
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Sums that are counted together.

    Args:
        count: The sums of one frame, by name, dimensions as in `sums` without lead time.
        sums: What is kept.
        scores: What is made from the sums, also from those of a part named before it.
    """

    count: Callable[[Frame], dict[str, Tensor]]
    sums: Mapping[str, Sum]
    scores: Mapping[str, Score] = field(default_factory=dict)

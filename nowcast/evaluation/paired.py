"""Two networks on the same images: is one better, or is it chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

SURE = 0.05


@dataclass(frozen=True)
class PairedTest:
    """McNemar's exact test.

    Args:
        images: How many were compared.
        only_first: Images that the first alone had right.
        only_second: Images that the second alone had right.
        p_value: How often chance alone parts two equal networks so far or farther.
    """

    images: int
    only_first: int
    only_second: int
    p_value: float

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second."""
        return (self.only_first - self.only_second) / self.images

    @property
    def differ(self) -> bool:
        """Whether chance alone does this in less than one case of twenty."""
        return self.p_value < SURE


def compare_paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedTest:
    """McNemar's exact test of which images each had right.

    Images that both had right or both wrong say nothing; of the others, equal networks have each
    alone right in half.

    Args:
        first: (N,) whether each image was right.
        second: The same images in the same order.

    Raises:
        ValueError: If they are not of equal length, or of none.

    Source: McNemar, 1947, Psychometrika 12, 153-157, doi:10.1007/BF02295996.
    """
    if first.shape != second.shape or not first.size:
        raise ValueError(
            f"paired test: expected the same images of both, found {first.size} and {second.size}; "
            "evaluate both on the whole split"
        )
    only_first, only_second = (int(held.sum()) for held in (first & ~second, second & ~first))
    apart = only_first + only_second
    p_value = float(binomtest(only_first, apart).pvalue) if apart else 1.0
    return PairedTest(first.size, only_first, only_second, p_value)

"""How far two sets of images lie apart, by the features that a network finds in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]


class FeatureTally:
    """Mean and scatter of features; a + b is the tally of both, but for rounding.

    Args:
        features: How many each image has.
    """

    def __init__(self, features: int) -> None:
        self.images = 0
        self.mean: Numbers = np.zeros(features)
        self.scatter: Numbers = np.zeros((features, features))

    def update(self, features: Tensor) -> None:
        """Add images.

        Args:
            features: (B, F), finite.

        Raises:
            ValueError: If there are not F of each, or one is not finite.

        Source: Chan, Golub and LeVeque, 1983, The American Statistician 37, 242-247,
            doi:10.1080/00031305.1983.10483115.
        """
        held: Numbers = features.detach().cpu().double().numpy()
        if held.ndim != 2 or held.shape[1] != len(self.mean):
            raise ValueError(
                f"feature tally: expected (B, {len(self.mean)}) features, found {held.shape}"
            )
        if not np.isfinite(held).all():
            raise ValueError("feature tally: expected finite features, found some that are not")
        if len(held):
            centred = held - held.mean(0)
            self._merge(len(held), held.mean(0), centred.T @ centred)

    def __add__(self, other: FeatureTally) -> FeatureTally:
        if len(self.mean) != len(other.mean):
            raise ValueError(
                f"feature tally: expected two of {len(self.mean)} features, found one of "
                f"{len(other.mean)}; take both from one layer"
            )
        both = FeatureTally(len(self.mean))
        for part in (self, other):
            both._merge(part.images, part.mean, part.scatter)
        return both

    def covariance(self) -> Numbers:
        """(F, F), of N − 1 degrees of freedom.

        Undefined: NaN with fewer than two images.
        """
        if self.images < 2:
            return np.full_like(self.scatter, math.nan)
        covariance: Numbers = self.scatter / (self.images - 1)
        return covariance

    def distance(self, other: FeatureTally) -> float:
        """The Fréchet distance, squared, between normal distributions fitted to both.

        d² = |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½) of means μ and covariances C. Range 0 to
        infinity, best 0. Few images make it too large, by about as much for any set of as many:
        compare sets of equal size. Also called: FID, where an Inception network finds the features.

        Undefined: NaN with fewer than two images in either.

        Raises:
            ValueError: If they have not the same number of features.

        Source: Dowson and Landau, 1982, Journal of Multivariate Analysis 12, 450-455,
            doi:10.1016/0047-259X(82)90077-X; Heusel et al., 2017, arXiv:1706.08500.
        """
        if len(self.mean) != len(other.mean):
            raise ValueError(
                f"Fréchet distance: expected {len(self.mean)} features of both, found "
                f"{len(other.mean)}; take both from one layer"
            )
        if min(self.images, other.images) < 2:
            return math.nan
        first, second = self.covariance(), other.covariance()
        apart = float(np.square(self.mean - other.mean).sum())
        shared = _root_trace(first, second)
        return max(apart + float(np.trace(first) + np.trace(second)) - 2 * shared, 0.0)

    def _merge(self, images: int, mean: Numbers, scatter: Numbers) -> None:
        total = self.images + images
        if not images:
            return
        gap = mean - self.mean
        self.scatter = self.scatter + scatter + np.outer(gap, gap) * (self.images * images / total)
        self.mean = self.mean + gap * (images / total)
        self.images = total


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """The distance of two sets of features (N, F), as `FeatureTally.distance` has it."""
    tallies = []
    for features in (first, second):
        tallies.append(FeatureTally(features.shape[-1]))
        tallies[-1].update(features)
    return tallies[0].distance(tallies[1])


def _root_trace(first: Numbers, second: Numbers) -> float:
    """tr((C₁ C₂)^½) by the symmetric C₁^½ C₂ C₁^½, which has the same eigenvalues."""
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return float(np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(min=0)).sum())

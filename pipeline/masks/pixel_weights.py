"""How much each pixel of a mask counts in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.masks.decoding import Floats, Labels
from pipeline.masks.values import IGNORE

REACH = 5.0


@dataclass(frozen=True)
class PixelWeights:
    """The weight of a pixel: that of its class, and more in the gap between two objects.

    w = w_c + border · exp(−(d₁ + d₂)² / 2 sigma²), see `border_weights`.

    Args:
        border: Greatest weight that a gap adds; 0 for none.
        sigma: How fast it falls with the width of the gap, in pixels.
        balance: Whether classes weigh by the inverse of their share of all pixels; otherwise 1.

    Raises:
        ValueError: If a number is out of range.
    """

    border: float = 10.0
    sigma: float = 5.0
    balance: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.border < np.inf and 0 < self.sigma < np.inf):
            raise ValueError(
                f"pixel weights: expected border of 0 or more and sigma > 0, found {self.border} "
                f"and {self.sigma}"
            )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PixelWeights:
        """With these numbers.

        Raises:
            ValueError: If one is unknown or refused.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"pixel weights: expected options of {known}, found {unknown}")
        return cls(**options)

    def __call__(self, classes: Labels, objects: Labels, by_class: Sequence[float]) -> Floats:
        """The weights (H, W) of one picture; 0 where its class is unknown.

        Args:
            classes: (H, W), IGNORE where unknown.
            objects: (H, W) 1 … n on a background of 0.
            by_class: Weight of each class where they are balanced.
        """
        weights: Floats = np.ones(classes.shape, np.float32)
        if self.balance:
            weights = np.asarray(by_class, np.float32)[np.maximum(classes, 0)]
        if self.border:
            weights = weights + border_weights(objects, self.border, self.sigma)
        return np.where(classes == IGNORE, np.float32(0), weights)


def border_weights(objects: Labels, w0: float = 10.0, sigma: float = 5.0) -> Floats:
    """What the gaps between objects add to the weight, (H, W).

    w0 · exp(−(d₁ + d₂)² / 2σ²) on the background, with d₁ and d₂ the distances in pixels to the
    nearest and to the second nearest object; 0 on objects, and where there is no second one.
    Gaps wider than 5σ, for which it is below w0 / 250 000, count as none.

    Args:
        objects: (H, W) 1 … n on a background of 0 or less.
        w0: At its highest, where d₁ + d₂ = 0.
        sigma: In pixels.

    Source: Ronneberger, Fischer and Brox, 2015, MICCAI, LNCS 9351, 234-241, equation 2.
    """
    reach = int(np.ceil(REACH * sigma))
    nearest, second = _two_distances(objects, reach)
    together = nearest + second
    weights = w0 * np.exp(-(together**2) / np.float32(2 * sigma**2))
    return np.where(objects > 0, 0, weights).astype(np.float32)


def _two_distances(objects: Labels, reach: int) -> tuple[Floats, Floats]:
    """To the nearest and second nearest object, infinite beyond the reach."""
    height, width = objects.shape
    nearest = np.full((height, width), np.inf, np.float32)
    second = nearest.copy()
    for number, box in enumerate(ndimage.find_objects(np.maximum(objects, 0)), 1):
        if box is None:
            continue
        rows, columns = (
            slice(max(part.start - reach, 0), min(part.stop + reach, size))
            for part, size in zip(box, (height, width), strict=True)
        )
        distance = ndimage.distance_transform_edt(objects[rows, columns] != number)
        distance = distance.astype(np.float32)
        distance[distance > reach] = np.inf
        near, far = nearest[rows, columns], second[rows, columns]
        np.minimum(far, np.maximum(near, distance), out=far)
        np.minimum(near, distance, out=near)
    return nearest, second


def separated(objects: Labels) -> Labels:
    """Objects with a line of background, one pixel wide, where two of them touch.

    No pixel of one object is then next to another's, corners included.
    """
    numbers = np.where(objects > 0, objects, np.iinfo(objects.dtype).max)
    lowest = ndimage.minimum_filter(numbers, 3, mode="nearest")
    return np.where((objects > 0) & (lowest < objects), 0, objects)


def bordered(objects: Labels) -> Labels:
    """Three classes: background 0, inside of objects 1, their outline 2; IGNORE stays.

    The outline is the outermost pixel of an object and the first one around it.
    """
    known = np.maximum(objects, 0)
    lowest = ndimage.minimum_filter(known, 3, mode="nearest")
    highest = ndimage.maximum_filter(known, 3, mode="nearest")
    classes = np.where(lowest != highest, 2, np.minimum(known, 1)).astype(np.int32)
    return np.where(objects == IGNORE, IGNORE, classes)


def components(classes: Labels) -> Labels:
    """Objects of a map of classes: connected pixels of one class above 0, by their sides."""
    objects = np.zeros(classes.shape, np.int32)
    for number in range(1, int(classes.max(initial=0)) + 1):
        found, count = ndimage.label(classes == number)
        objects += np.where(found, found + objects.max(initial=0), 0).astype(np.int32) * bool(count)
    return objects


def class_weights(counts: NDArray[np.integer]) -> tuple[float, ...]:
    """The inverse share of each class, so that the mean over all pixels is 1; 0 for absent ones."""
    present = counts > 0
    shares = counts.sum() / (present.sum() * np.maximum(counts, 1))
    return tuple(np.where(present, shares, 0.0).tolist())

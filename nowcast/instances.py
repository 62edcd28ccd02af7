"""Objects of a picture from the probabilities of its pixels: touching ones are separated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from nowcast.evaluation.object_matching import ObjectTally
from nowcast.evaluation.overlaps import Labels, Mask

Method = Literal["components", "border", "h_maxima", "peaks"]
Objects = NDArray[np.int32]

EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Separation:
    """How objects are made of probabilities.

    Args:
        method: How touching objects are separated. `components`: not at all, each 4-connected
            component is an object. `border`: seeds are the components of the class inside, grown
            over the class border (three classes: background, inside, border). `h_maxima` and
            `peaks`: watershed of the distance to the background from its maxima, those that rise
            by `h` pixels or more above the saddle to a higher one, or those at least
            `min_distance` pixels apart.
        threshold: A pixel is of an object where the probability of its classes is above.
        seed_threshold: Of `border`: a pixel is of a seed where the class inside is above.
        h: Of `h_maxima`, in pixels.
        min_distance: Of `peaks`, in pixels.
        smooth: Standard deviation in pixels of the Gaussian that smooths the distance.
        min_size: Objects of fewer pixels are left out.
        hole_size: Holes of at most so many pixels are filled before objects are separated; a
            hole is a 4-connected part of the background that does not touch the picture's edge.

    Raises:
        ValueError: If a value is out of its range.
    """

    method: Method = "components"
    threshold: float = 0.5
    seed_threshold: float = 0.5
    h: float = 0.75
    min_distance: int = 5
    smooth: float = 1.0
    min_size: int = 0
    hole_size: int = 0

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(
                f"separation: expected a method of {list(get_args(Method))}, found {self.method!r}"
            )
        ranges = {
            "threshold": (0, 1),
            "seed_threshold": (0, 1),
            "h": (1e-3, np.inf),
            "min_distance": (1, np.inf),
            "smooth": (0, np.inf),
            "min_size": (0, np.inf),
            "hole_size": (0, np.inf),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(
                    f"separation: expected {name} from {least} to {most}, found {value}"
                )


def separate(probabilities: ArrayLike, separation: Separation) -> Objects:
    """Label the objects of a picture.

    Args:
        probabilities: (K, H, W), class 0 background, of two classes or of three (background,
            inside, border); or (H, W) of being in an object, a mask too.
        separation: How.

    Returns:
        (H, W) objects from 1 without gaps, in the order of their first pixels by row; 0 elsewhere.

    Raises:
        ValueError: If the probabilities are not of two or three classes, or `border` is asked of
            other than three.
    """
    odds = np.asarray(probabilities)
    if odds.ndim == 2:
        odds = np.stack([1 - 1.0 * odds, odds])
    if odds.ndim != 3 or len(odds) not in (2, 3):
        raise ValueError(
            f"objects: expected probabilities (2 or 3, H, W) or (H, W), found shape {odds.shape}"
        )
    if separation.method == "border" and len(odds) != 3:
        raise ValueError(
            "objects: expected the classes background, inside and border for the method 'border', "
            f"found {len(odds)} classes; use another method"
        )
    inside = filled(odds[1:].sum(0) > separation.threshold, separation.hole_size)
    return _sized(_separated(odds, inside, separation), separation.min_size)


def count_objects(objects: Labels) -> int:
    """How many labels above 0 there are."""
    return len(np.unique(objects[objects > 0]))


def filled(inside: Mask, hole_size: int) -> Mask:
    """Fill the holes of at most so many pixels, as `Separation` says."""
    if not hole_size:
        return inside
    holes, _ = ndimage.label(~inside)
    sizes = np.bincount(holes.ravel())
    small = sizes <= hole_size
    edges = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    small[edges] = False
    small[0] = False
    whole: Mask = inside | small[holes]
    return whole


def separations(base: Separation, **values: Iterable[Any]) -> list[Separation]:
    """Every combination of the values given by field, the rest as in base."""
    return [
        replace(base, **dict(zip(values, chosen, strict=True)))
        for chosen in product(*values.values())
    ]


def score_separations(
    probabilities: Sequence[ArrayLike], truths: Sequence[Labels], grid: Sequence[Separation]
) -> Mapping[Separation, ObjectTally]:
    """The tally of all pictures for each separation.

    Args:
        probabilities: Of each picture, as in `separate`.
        truths: (H, W) true objects of each, background 0, −1 where a pixel does not count.
        grid: What to try.

    Raises:
        ValueError: If there are not as many truths as pictures, or nothing to try.
    """
    if len(probabilities) != len(truths) or not grid or not truths:
        raise ValueError(
            "separations: expected one separation or more and a truth for each picture, found "
            f"{len(grid)} separations, {len(probabilities)} pictures, {len(truths)} truths"
        )
    tallies = {one: ObjectTally() for one in grid}
    for place, (odds, truth) in enumerate(zip(probabilities, truths, strict=True)):
        for one, tally in tallies.items():
            tally.update(truth, separate(odds, one), name=f"{place:06d}")
    return tallies


def tune_separation(
    probabilities: Sequence[ArrayLike], truths: Sequence[Labels], grid: Sequence[Separation]
) -> Separation:
    """The separation with the largest F1 at IoU 0.5; of several, that of the largest mean F1 over
    all IoU limits, then the first.

    Only pictures of the validation split may be given: a score on pictures that chose the
    separation is too good.

    Args:
        probabilities: As in `score_separations`.
        truths: As in `score_separations`.
        grid: What to try, for example from `separations`.

    Raises:
        ValueError: As `score_separations`.
    """
    tallies = score_separations(probabilities, truths, grid)

    def rank(one: Separation) -> tuple[float, float]:
        scores = np.nan_to_num(tallies[one].f1())
        return float(scores[0]), float(scores.mean())

    return max(grid, key=rank)


def _separated(odds: NDArray[np.floating], inside: Mask, separation: Separation) -> Objects:
    if separation.method == "components":
        return np.asarray(ndimage.label(inside)[0], np.int32)
    if separation.method == "border":
        seeded = inside & (odds[1] > separation.seed_threshold)
        return _grown(-odds[1], ndimage.label(seeded)[0], inside)
    distance = ndimage.distance_transform_edt(inside)
    if separation.smooth:
        distance = ndimage.gaussian_filter(distance, separation.smooth) * inside
    if separation.method == "h_maxima":
        seeds = _maxima(distance, separation.h)
    else:
        seeds = _peaks(distance, inside, separation.min_distance)
    return _grown(-distance, seeds, inside)


def _maxima(distance: NDArray[np.floating], h: float) -> Objects:
    """The regional maxima that are left when each is lowered by h and no higher than before."""
    from skimage import morphology

    rebuild: Callable[..., NDArray[np.floating]] = morphology.reconstruction
    maxima: Callable[..., Mask] = morphology.local_maxima
    seeds: Objects = ndimage.label(maxima(rebuild(distance - h, distance)) & (distance > 0), EIGHT)[
        0
    ]
    return seeds


def _peaks(distance: NDArray[np.floating], inside: Mask, min_distance: int) -> Objects:
    from skimage import feature

    peaks: Callable[..., NDArray[np.intp]] = feature.peak_local_max
    components, _ = ndimage.label(inside)
    places = peaks(distance, min_distance=min_distance, labels=components, exclude_border=False)
    seeds = np.zeros(distance.shape, np.int32)
    seeds[tuple(places.T)] = np.arange(1, len(places) + 1)
    return seeds


def _grown(height: NDArray[np.floating], seeds: Objects, inside: Mask) -> Objects:
    """Flood the height from the seeds; a component without a seed is an object as it is."""
    from skimage import segmentation

    flood: Callable[..., Objects] = segmentation.watershed
    components, count = ndimage.label(inside)
    seeded = np.zeros(count + 1, bool)
    seeded[components[seeds > 0]] = True
    barren = np.where(seeded[components], 0, components)
    seeds = np.where(barren > 0, barren + int(seeds.max(initial=0)), seeds)
    return flood(height, seeds.astype(np.int32), mask=inside)


def _sized(objects: Objects, min_size: int) -> Objects:
    labels, first, places, sizes = np.unique(
        objects, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero((labels > 0) & (sizes >= min_size))
    numbers = np.zeros(len(labels), np.int32)
    numbers[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    return numbers[places.reshape(objects.shape)]

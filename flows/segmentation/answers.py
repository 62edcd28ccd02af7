"""Whole pictures of a part, as a trained network answers them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flows.images.runs import Trained
from nowcast.evaluation.overlaps import Labels, Mask
from nowcast.tasks import SegmentTask
from nowcast.tiles import predict_tiled
from pipeline.masks import MaskSplit
from pipeline.masks.samples import MaskSamples

Odds = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """One picture and what a network says of it.

    Args:
        name: Of the picture.
        picture: (C, H, W) of 0 … 255, as its file holds it.
        label: (H, W) classes or objects, −1 where unknown.
        classes: (H, W) true classes, −1 where unknown.
        odds: (K, H, W) probability of each class.
        inside: (3, H, W) of objects, K = 3: probability of background, inside and border, the
            latter two together being the object; None where no outline was learned.
        counted: (H, W) which pixels count.
        second: (H, W) classes as a second observer drew them.
        seconds: That the network took.
    """

    name: str
    picture: NDArray[np.float32] = field(repr=False)
    label: Labels = field(repr=False)
    classes: Labels = field(repr=False)
    odds: Odds = field(repr=False)
    inside: Odds | None = field(repr=False)
    counted: Mask = field(repr=False)
    second: Labels | None = field(repr=False)
    seconds: float = 0.0

    @property
    def separable(self) -> Odds:
        """Probabilities from which objects are made."""
        return self.odds if self.inside is None else self.inside


@dataclass(frozen=True)
class Answerer:
    """A trained network for whole pictures.

    Args:
        trained: The network.
        samples: The pictures, normalised.
        outlined: Whether it learned the outlines of objects as a class.
        flips: Whether to take the mean over mirror images.
        tile: Greatest side of the pieces, in pixels.
    """

    trained: Trained
    samples: MaskSamples
    outlined: bool
    flips: bool
    tile: int

    def all(self, places: Iterable[int] | None = None) -> Iterator[Answer]:
        """Pictures one by one.

        Args:
            places: Numbers in the part; None for every picture.
        """
        task = self.trained.task
        if not isinstance(task, SegmentTask):
            raise TypeError("expected a network trained for SegmentTask")
        self.trained.network.to(self.trained.fabric.device)
        for i in range(len(self.samples)) if places is None else places:
            yield self._answer(i, task)

    def _answer(self, i: int, task: SegmentTask) -> Answer:
        split: MaskSplit = self.samples.split
        begun = time.perf_counter()
        with self.trained.fabric.autocast():
            found = predict_tiled(
                self.trained.network,
                task,
                self.samples.sample(i).picture,
                self.tile,
                flips=self.flips,
            )
        seconds = time.perf_counter() - begun
        odds, inside = found.numpy(), None
        if self.outlined:
            inside = whole_objects(odds)
            odds = np.stack([inside[0], 1 - inside[0]])
        return Answer(
            name=split.name_of(i),
            picture=split.picture(i),
            label=split.label(i),
            classes=split.semantic(i),
            odds=odds,
            inside=inside,
            counted=split.field(i),
            second=split.second(i),
            seconds=seconds,
        )


def whole_objects(odds: Odds) -> Odds:
    """Probabilities of background, inside and border, such that the last two are the object.

    Networks learn a border of the outermost pixels of an object and the first ones around it;
    the object is its inside and all pixels next to that.
    """
    reach = ndimage.maximum_filter(odds[1], 3, mode="nearest")
    whole = np.minimum(reach, odds[1] + odds[2])
    return np.stack([1 - whole, odds[1], whole - odds[1]]).clip(0, 1).astype(np.float32)

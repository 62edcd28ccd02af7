"""Pictures of a split as training sees them: normalised, with target and weights, kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline.deformation import Sample
from pipeline.masks.decoding import Labels
from pipeline.masks.intensity import NORMALISATIONS, Normalisation, normalised
from pipeline.masks.pixel_weights import (
    PixelWeights,
    bordered,
    class_weights,
    components,
    separated,
)
from pipeline.masks.sets import MaskSplit
from pipeline.masks.values import IGNORE
from pipeline.pictures import Integers

Target = Literal["classes", "separated", "border"]
TARGETS: tuple[Target, ...] = ("classes", "separated", "border")
BORDER_CLASSES = ("background", "inside", "border")
WORD = 4


class MaskSamples:
    """The pictures of a split, each made once where all fit into `kept_bytes`.

    Args:
        split: Which pictures.
        channels: 1 or 3; None for what the pictures have.
        normalise: How the values of a picture become comparable, see `normalised`.
        target: "classes" as they are; "separated" with a line of background between objects that
            touch; "border" for background 0, inside 1 and outline 2 of objects.
        pixel_weights: How much each pixel counts; None for all alike.
        by_class: Weights of the classes where they are balanced; None for those of this split.
        kept_bytes: Bound on the memory for what is kept.

    Raises:
        ValueError: If there is no picture, or one of the choices is unknown.
    """

    def __init__(
        self,
        split: MaskSplit,
        channels: int | None = None,
        normalise: Normalisation = "none",
        target: Target = "separated",
        pixel_weights: PixelWeights | None = None,
        by_class: Sequence[float] | None = None,
        kept_bytes: int = 2 * 10**9,
    ) -> None:
        if not len(split):
            raise ValueError(f"{split.name}: expected pictures, found none")
        self.split, self.channels = split, channels or split.channels
        self.normalise, self.target, self.pixel_weights = normalise, target, pixel_weights
        if target not in TARGETS or normalise not in NORMALISATIONS or self.channels not in (1, 3):
            raise ValueError(
                f"mask samples: expected a target of {list(TARGETS)}, a normalisation of "
                f"{list(NORMALISATIONS)} and 1 or 3 channels, found {target!r}, {normalise!r} and "
                f"{self.channels}"
            )
        self._by_class = None if by_class is None else tuple(by_class)
        planes = self.channels + 1 + (pixel_weights is not None)
        area = sum(math.prod(split.size_of(i)) for i in range(len(split)))
        self._keeps = WORD * planes * area <= kept_bytes
        self._kept: dict[int, Sample] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.split)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the target's classes."""
        return BORDER_CLASSES if self.target == "border" else self.split.classes

    @cached_property
    def counts(self) -> Integers:
        """(classes,) pixels of each in all targets."""
        count = len(self.classes)
        totals = np.zeros(count, np.int64)
        for i in range(len(self)):
            target = self._target(i)[0]
            totals += np.bincount(target[target != IGNORE], minlength=count)[:count]
        return totals

    @cached_property
    def by_class(self) -> tuple[float, ...]:
        """Weight of each class where they are balanced."""
        return class_weights(self.counts) if self._by_class is None else self._by_class

    def sample(self, i: int) -> Sample:
        """Picture i with its target and its weights.

        Raises:
            ValueError: If one of its files is broken.
        """
        if not self._keeps:
            return self._made(i)
        if i not in self._kept:
            made = self._made(i)
            with self._lock:
                self._kept.setdefault(i, made)
        return self._kept[i]

    def known(self, i: int) -> Tensor:
        """Where picture i shows anything, (H, W)."""
        return torch.from_numpy(self.split.field(i))

    def _made(self, i: int) -> Sample:
        picture = normalised(self.split.picture(i), self.normalise, self.channels)
        target, objects = self._target(i)
        weight = None
        if self.pixel_weights is not None:
            by_class = self.by_class if self.pixel_weights.balance else ()
            weight = torch.from_numpy(self.pixel_weights(target, objects, by_class))
        label = torch.from_numpy(target.astype(np.float32))
        return Sample.of(torch.from_numpy(np.ascontiguousarray(picture)), label, weight)

    def _target(self, i: int) -> tuple[Labels, Labels]:
        """Classes to learn, and the objects that borders lie between."""
        label = self.split.label(i)
        if self.split.kind == "semantic":
            objects = components(label)
            return (bordered(objects) if self.target == "border" else label), objects
        apart = label if self.target == "classes" else separated(label)
        if self.target == "border":
            return bordered(label), apart
        return self.split.values.semantic(apart), apart

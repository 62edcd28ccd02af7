"""Random changes of images that leave what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.batch import Batch

WHITE = 255.0


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random; every number of 0 leaves its change out.

    The changes are drawn for each image by itself, and take place in the order below.

    Args:
        flip: Whether half of the images are mirrored, left to right.
        crop_padding: Pixels of black added on each side before a square of the old size is cut.
        rotate: Greatest turn to either side, in degrees; black moves in.
        zoom: Greatest enlargement or reduction: by a factor of 1 − zoom to 1 + zoom.
        colour: Greatest change of brightness, contrast and saturation, as a share of each; of
            hue a tenth of that, as a share of the whole circle. Grey images keep to the first two.
        cutout: Side of a square that is overwritten with the mean of the batch, in pixels; its
            centre lies anywhere, so that it may reach over the edge.
        mixup: Both parameters of the beta distribution from which the share of a second image
            comes; labels become shares (B, classes).

    Raises:
        ValueError: If a number is negative or not finite, or a share not below 1.
    """

    flip: bool = False
    crop_padding: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    colour: float = 0.0
    cutout: int = 0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in (("crop_padding", 1e4), ("rotate", 181), ("zoom", 1), ("colour", 1),
                            ("cutout", 1e4), ("mixup", 1e4)):  # fmt: skip
            if not 0 <= getattr(self, name) < limit:
                raise ValueError(
                    f"augmentation: expected {name} of 0 or more and below {limit:g}, "
                    f"found {getattr(self, name)}"
                )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Augmentation:
        """With these numbers.

        Raises:
            ValueError: If one is unknown or refused.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"augmentation: expected options of {known}, found {unknown}")
        return cls(**options)

    @property
    def is_costly(self) -> bool:
        """Whether pixels are resampled or recoloured, not only moved or overwritten."""
        return bool(self.rotate or self.zoom or self.colour)

    def __call__(self, batch: Batch, classes: int, rng: np.random.Generator) -> Batch:
        """The batch, changed; the generator decides everything.

        Args:
            batch: (B, C, H, W) float32 of 0 … 255, and (B,) labels.
            classes: How many there are.
            rng: Used up in the same way whatever the images hold.

        Raises:
            ValueError: If mixup finds no labels.
        """
        frames = batch.frames
        if self.flip:
            frames = _flipped(frames, rng)
        if self.crop_padding:
            frames = _shifted(frames, self.crop_padding, rng)
        if self.rotate or self.zoom:
            frames = _turned(frames, self.rotate, self.zoom, rng)
        if self.colour:
            frames = _recoloured(frames, self.colour, rng)
        if self.cutout:
            frames = _cut_out(frames, self.cutout, rng)
        if not self.mixup:
            return Batch(frames, batch.label)
        if batch.label is None:
            raise ValueError("mixup: expected labels beside the images, found none")
        return _mixed(frames, batch.label, classes, self.mixup, rng)


def _uniform(rng: np.random.Generator, low: float, high: float, count: int) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, count).astype(np.float32))


def _flipped(frames: Tensor, rng: np.random.Generator) -> Tensor:
    mirrored = rng.random(len(frames)) < 0.5
    flipped = frames.numpy().copy()
    flipped[mirrored] = flipped[mirrored, ..., ::-1]
    return torch.from_numpy(flipped)


def _shifted(frames: Tensor, padding: int, rng: np.random.Generator) -> Tensor:
    count, _, height, width = frames.shape
    padded = np.pad(frames.numpy(), [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    places = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (2, 3))
    top, left = rng.integers(2 * padding + 1, size=(2, count))
    return torch.from_numpy(places[np.arange(count), :, top, left])


def _turned(frames: Tensor, degrees: float, zoom: float, rng: np.random.Generator) -> Tensor:
    from kornia.geometry.transform import get_rotation_matrix2d, warp_affine

    count, _, height, width = frames.shape
    angle = _uniform(rng, -degrees, degrees, count)
    factor = _uniform(rng, 1 - zoom, 1 + zoom, count)
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2]).expand(count, 2)
    moved = get_rotation_matrix2d(centre, angle, factor[:, None].expand(count, 2))
    return warp_affine(frames, moved, (height, width), align_corners=True).clamp(0, WHITE)


def _recoloured(frames: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    from kornia.enhance import (
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_hue,
        adjust_saturation_with_gray_subtraction,
    )

    changes = (
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_saturation_with_gray_subtraction,
    )
    unit, colours = frames / WHITE, frames.shape[1] == 3
    for change in changes if colours else changes[:2]:
        unit = change(unit, _uniform(rng, 1 - strength, 1 + strength, len(frames)))
    if colours:
        turn = _uniform(rng, -strength, strength, len(frames)) * (0.1 * 2 * np.pi)
        unit = adjust_hue(unit, turn)
    return unit.clamp(0, 1) * WHITE


def _cut_out(frames: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    pixels, inside = frames.numpy(), []
    for size in pixels.shape[2:]:
        place = np.arange(size) - (rng.integers(size, size=(len(pixels), 1)) - side // 2)
        inside.append((place >= 0) & (place < side))
    square = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    return torch.from_numpy(np.where(square, pixels.mean((0, 2, 3), keepdims=True), pixels))


def _mixed(
    frames: Tensor, label: Tensor, classes: int, alpha: float, rng: np.random.Generator
) -> Batch:
    partner = torch.from_numpy(rng.permutation(len(frames)))
    share = torch.from_numpy(rng.beta(alpha, alpha, len(frames)).astype(np.float32))
    shares = F.one_hot(label, classes).float()
    own = share[:, None, None, None]
    return Batch(
        torch.lerp(frames[partner], frames, own),
        torch.lerp(shares[partner], shares, share[:, None]),
    )

"""Random changes of pictures together with their masks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WHITE = 255.0
LIMITS = {"elastic": 1e3, "rotate": 181.0, "zoom": 1.0, "brightness": 1.0, "contrast": 1.0,
          "gamma": 1.0}  # fmt: skip


class Sample(NamedTuple):
    """A picture with what belongs to its pixels.

    Args:
        planes: (C, H, W) channels of the picture, 0 … 255, and perhaps one more: the weights.
        label: (H, W) float32 whole numbers.
        channels: Of the picture.
    """

    planes: Tensor
    label: Tensor
    channels: int

    @classmethod
    def of(cls, picture: Tensor, label: Tensor, weight: Tensor | None = None) -> Sample:
        """A picture (C, H, W), its label (H, W) and how much each pixel counts, (H, W)."""
        planes = picture if weight is None else torch.cat([picture, weight[None]])
        return cls(planes, label, len(picture))

    @property
    def picture(self) -> Tensor:
        """(C, H, W)."""
        return self.planes[: self.channels]

    @property
    def weight(self) -> Tensor | None:
        """(H, W); None where all pixels count alike."""
        return self.planes[self.channels] if len(self.planes) > self.channels else None


@dataclass(frozen=True)
class Deformation:
    """What is changed at random; every number of 0 leaves its change out.

    The elastic change draws displacement vectors for the nodes of a coarse grid over the piece,
    both components normal, and interpolates them bicubically to every pixel. All changes of place
    together are one resampling: pictures and weights bilinear, labels nearest, borders mirrored.

    Args:
        elastic: Standard deviation of the displacements, in pixels.
        grid: Nodes a side of the coarse grid.
        flip: Whether half of the pieces are mirrored left to right, and half top to bottom.
        quarter_turns: Whether pieces are turned by 0, 90, 180 or 270 degrees.
        rotate: Greatest turn to either side, in degrees.
        zoom: Greatest enlargement or reduction: by a factor of 1 − zoom to 1 + zoom.
        brightness: Greatest value that is added or taken away, as a share of white.
        contrast: Greatest change of the distance from the mean: by a factor of 1 ± contrast.
        gamma: Greatest change of the exponent of the values: 1 − gamma to 1 + gamma.

    Raises:
        ValueError: If a number is negative, not finite or too large, or the grid below 2.

    Source: Ronneberger, Fischer and Brox, 2015, MICCAI, LNCS 9351, 234-241, section 3.1.
    """

    elastic: float = 10.0
    grid: int = 3
    flip: bool = True
    quarter_turns: bool = True
    rotate: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            if not 0 <= getattr(self, name) < limit:
                raise ValueError(
                    f"deformation: expected {name} of 0 or more and below {limit:g}, "
                    f"found {getattr(self, name)}"
                )
        if self.grid < 2:
            raise ValueError(f"deformation: expected a grid of 2 nodes or more, found {self.grid}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Deformation:
        """With these numbers.

        Raises:
            ValueError: If one is unknown or refused.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"deformation: expected options of {known}, found {unknown}")
        return cls(**options)

    def __call__(
        self, sample: Sample, top: float, left: float, side: int, rng: np.random.Generator
    ) -> Sample:
        """A square piece of a sample, changed; the generator decides everything.

        Args:
            sample: Of any size.
            top: Row of the piece's first pixel; it may lie outside.
            left: Column of the piece's first pixel.
            side: Of the piece, in pixels.
            rng: Used up in the same way whatever the sample holds.
        """
        rows, columns = self._places(side, rng)
        centre = (side - 1) / 2
        piece = resampled(sample, rows + (top + centre), columns + (left + centre))
        self._relight(piece.picture, rng)
        return piece

    def _places(self, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Where every pixel of the piece comes from, (side, side), from the piece's centre."""
        along_rows, along_columns = _turn(self, rng)
        across = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        places = []
        for row_part, column_part in (along_rows, along_columns):
            places.append(row_part * across[:, None] + column_part * across[None, :])
        nodes = rng.normal(0.0, 1.0, (2, self.grid, self.grid)).astype(np.float32)
        if self.elastic:
            moves = displacements(torch.from_numpy(nodes * np.float32(self.elastic)), side)
            places = [place.add_(move) for place, move in zip(places, moves, strict=True)]
        return places[0], places[1]

    def _relight(self, picture: Tensor, rng: np.random.Generator) -> None:
        """Other brightness, contrast and gamma, in place."""
        brightness, contrast, gamma = rng.uniform(-1, 1, 3).tolist()
        if self.gamma:
            picture.div_(WHITE).clamp_(0, 1).pow_(1 + self.gamma * gamma).mul_(WHITE)
        if self.contrast or self.brightness:
            factor = 1 + self.contrast * contrast
            shift = picture.mean() * (1 - factor) + self.brightness * brightness * WHITE
            picture.mul_(factor).add_(shift).clamp_(0, WHITE)


def displacements(nodes: Tensor, side: int) -> Tensor:
    """Displacements (…, grid, grid) of nodes, bicubic for every pixel: (…, side, side).

    The outermost nodes lie on the outermost pixels.
    """
    spread = _spread(nodes.shape[-1], side)
    return spread @ nodes @ spread.T


def resampled(sample: Sample, rows: Tensor, columns: Tensor) -> Sample:
    """The sample at places (h, w) between its pixels, mirrored beyond its outermost ones."""
    height, width = sample.label.shape
    unit = torch.stack([_unit(columns, width), _unit(rows, height)], -1)[None]
    planes = _sampled(sample.planes, unit, "bilinear")
    return Sample(planes, _sampled(sample.label[None], unit, "nearest")[0], sample.channels)


def _sampled(maps: Tensor, unit: Tensor, mode: str) -> Tensor:
    found = F.grid_sample(maps[None], unit, mode, padding_mode="reflection", align_corners=True)
    return found[0]


def _unit(places: Tensor, size: int) -> Tensor:
    """Places in pixels as −1 for the first to 1 for the last."""
    return places * (2 / max(size - 1, 1)) - 1


@lru_cache(maxsize=16)
def _spread(grid: int, side: int) -> Tensor:
    """(side, grid) share of every node in every pixel of one axis."""
    nodes = torch.eye(grid)[None]
    spread = F.interpolate(nodes[..., None], (side, 1), mode="bicubic", align_corners=True)
    return spread[0, :, :, 0].T.contiguous()


def _turn(change: Deformation, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """How a step down and a step right in the piece move the row, and the column, of the source."""
    degrees, zoom = rng.uniform(-1, 1, 2).tolist()
    mirrored_rows, mirrored_columns = (rng.integers(2, size=2) * -2 + 1).tolist()
    quarters = int(rng.integers(4))
    angle = math.radians(change.rotate * degrees + 90 * quarters * change.quarter_turns)
    scale = 1 / (1 + change.zoom * zoom)
    down, right = (mirrored_rows, mirrored_columns) if change.flip else (1, 1)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    return (down * cosine, -right * sine), (down * sine, right * cosine)

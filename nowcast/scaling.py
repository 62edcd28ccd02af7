"""From physical units to what a network likes, and exactly back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Protocol, Self

import torch
from torch import Tensor

from pipeline.batch import NO_ECHO


class Scaling(Protocol):
    """A pair of functions on values of any shape; NaN stays NaN.

    decode(encode(values)) is values, to rounding, wherever the scaling is defined.
    """

    def encode(self, values: Tensor) -> Tensor:
        """Physical values, scaled."""

    def decode(self, scaled: Tensor) -> Tensor:
        """Scaled values, back in physical units."""


@dataclass(frozen=True)
class Linear:
    """values / unit: dBZ / 30 is near 1 in heavy rain."""

    unit: float = 30.0

    def __post_init__(self) -> None:
        if not self.unit > 0:
            raise ValueError(f"linear scaling: expected unit > 0, found {self.unit}")

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        return values / self.unit

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        return scaled * self.unit


@dataclass(frozen=True)
class Clip:
    """(dBZ − low) / unit between low and high, so that no echo lies beside the weakest rain.

    Defined for low < dBZ <= high and for NO_ECHO, which is 0 when scaled. What is weaker than
    `low` counts as no echo, what is stronger than `high` as `high`, in both directions.
    """

    low: float = 5.0
    high: float = 75.0
    unit: float = 30.0

    def __post_init__(self) -> None:
        if not (NO_ECHO <= self.low < self.high and self.unit > 0):
            raise ValueError(
                f"clip scaling: expected {NO_ECHO} <= low < high and unit > 0, found {self}"
            )

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        return (values.clamp(self.low, self.high) - self.low) / self.unit

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        dbz = (scaled * self.unit + self.low).clamp(max=self.high)
        return torch.where(scaled <= 0, NO_ECHO, dbz)


@dataclass(frozen=True)
class Log:
    """log(1 + values − low), defined for values >= low; by default for dBZ."""

    low: float = NO_ECHO

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        return torch.log1p(values - self.low)

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        return torch.expm1(scaled) + self.low


@dataclass(frozen=True)
class ZScore:
    """(values − mean) / deviation."""

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise ValueError(f"zscore scaling: expected deviation > 0, found {self.deviation}")

    @classmethod
    def of(cls, sample: Tensor) -> Self:
        """The mean and the standard deviation of the known values of a sample."""
        known = sample[~sample.isnan()].double()
        return cls(float(known.mean()), float(known.std()))

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        return (values - self.mean) / self.deviation

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        return scaled * self.deviation + self.mean


@dataclass(frozen=True)
class MeanDeviation:
    """(values − mean) / deviation, each channel (the third axis from the last) with its own."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def __post_init__(self) -> None:
        alike = len(self.means) == len(self.deviations) > 0
        if not (alike and all(deviation > 0 for deviation in self.deviations)):
            raise ValueError(
                "mean-deviation scaling: expected as many means as deviations > 0, found "
                f"{self.means} and {self.deviations}"
            )

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        mean, deviation = self._by_channel(values)
        return (values - mean) / deviation

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        mean, deviation = self._by_channel(scaled)
        return scaled * deviation + mean

    def _by_channel(self, like: Tensor) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor([self.means, self.deviations], dtype=like.dtype, device=like.device)
        mean, deviation = numbers[..., None, None] if like.ndim > 2 else numbers
        return mean, deviation


@dataclass(frozen=True)
class MinMax:
    """(values − low) / (high − low): 0 to 1 between them, linear beyond."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"minmax scaling: expected low < high, found {self.low}, {self.high}")

    @classmethod
    def of(cls, sample: Tensor) -> Self:
        """The least and the greatest known value of a sample."""
        known = sample[~sample.isnan()]
        return cls(float(known.min()), float(known.max()))

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        return (values - self.low) / (self.high - self.low)

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        return scaled * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Quantile:
    """The share of a sample below a value, linear between its quantiles and beyond them.

    Args:
        knots: The values that are mapped to 0 … 1 at even steps, strictly rising.
    """

    knots: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.knots) < 2 or any(a >= b for a, b in pairwise(self.knots)):
            raise ValueError(
                f"quantile scaling: expected at least 2 rising knots, found {self.knots}"
            )

    @classmethod
    def of(cls, sample: Tensor, count: int = 33) -> Self:
        """The quantiles of the known values of a sample, equal ones taken once."""
        known = sample[~sample.isnan()].double()
        levels = torch.linspace(0, 1, count, dtype=torch.float64, device=known.device)
        return cls(tuple(torch.unique(torch.quantile(known, levels)).tolist()))

    def encode(self, values: Tensor) -> Tensor:
        """Scaled."""
        knots, levels = self._axes(values)
        return _interpolate(values, knots, levels)

    def decode(self, scaled: Tensor) -> Tensor:
        """In physical units."""
        knots, levels = self._axes(scaled)
        return _interpolate(scaled, levels, knots)

    def _axes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        knots = torch.tensor(self.knots, dtype=like.dtype, device=like.device)
        return knots, torch.linspace(0, 1, len(self.knots), dtype=like.dtype, device=like.device)


def _interpolate(values: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """The broken line through (start, end), its first and last piece prolonged."""
    piece = torch.bucketize(values.contiguous(), start[1:-1].contiguous())
    slope = (end[1:] - end[:-1]) / (start[1:] - start[:-1])
    return end[piece] + (values - start[piece]) * slope[piece]


SCALINGS: dict[str, type[Scaling]] = {
    "linear": Linear,
    "clip": Clip,
    "log": Log,
    "zscore": ZScore,
    "mean_deviation": MeanDeviation,
    "minmax": MinMax,
    "quantile": Quantile,
}


def scaling_to_json(scaling: Scaling) -> dict[str, object]:
    """The scaling's name in the table and its numbers."""
    names = {kind: name for name, kind in SCALINGS.items()}
    return {"name": names[type(scaling)], **asdict(scaling)}  # type: ignore[call-overload]


def scaling_from_json(fields: Mapping[str, object]) -> Scaling:
    """The scaling that `scaling_to_json` wrote.

    Raises:
        ValueError: If the name or one of the numbers is unknown.
    """
    numbers = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
    name = str(numbers.pop("name", None))
    if name not in SCALINGS:
        raise ValueError(f"no scaling {name!r}; the table holds {sorted(SCALINGS)}")
    try:
        return SCALINGS[name](**numbers)
    except TypeError as error:
        raise ValueError(f"scaling {name!r}: {error}") from error

"""Noise of pictures and of radar, drawn by a generator that the caller seeds.

Pictures are 0 … 255, radar frames dBZ; a missing pixel (NaN) stays missing under every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.radar_noise import CLEAREST, add_clutter, add_receiver, add_spikes, blank, spoil

WHITE = 255.0
FEWEST = 1e-8

Pixels = NDArray[np.float32]


class Kind(NamedTuple):
    """A kind of noise and the meaning of its level.

    Args:
        apply: (frames (B, C, H, W), level (B, 1, 1, 1), rng, **options) -> noisy frames.
        words: What the level is, for people.
        lowest: The least level.
        highest: The greatest.
        options: What else it takes, with the defaults.
        radar: Whether it is of reflectivity in dBZ; else of pictures.
    """

    apply: Callable[..., Pixels]
    words: str
    lowest: float = 0.0
    highest: float = 1.0
    options: Mapping[str, float | bool] = {}
    radar: bool = False


@dataclass(frozen=True)
class Noise:
    """Noise of one kind.

    Args:
        kind: A name in NOISES.
        level: Lowest and highest; drawn uniformly between them, for each image by itself.
        options: Of the kind; those left out have its defaults.

    Raises:
        ValueError: If the kind or an option is unknown, or the level out of its range.
    """

    kind: str
    level: tuple[float, float]
    options: Mapping[str, float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in NOISES:
            raise ValueError(f"no noise {self.kind!r}; there are {sorted(NOISES)}")
        self._check(NOISES[self.kind])

    def _check(self, known: Kind) -> None:
        low, high = self.level
        if not known.lowest <= low <= high <= known.highest:
            raise ValueError(
                f"noise {self.kind!r}: expected a level, or a lowest and a highest one, within "
                f"{known.lowest:g} … {known.highest:g} ({known.words}), found {self.level}"
            )
        unknown = sorted(set(self.options) - set(known.options))
        if unknown:
            raise ValueError(
                f"noise {self.kind!r}: expected options of {sorted(known.options)}, found {unknown}"
            )
        looks = self.options.get("looks", 1)
        if not looks > 0:
            raise ValueError(f"noise {self.kind!r}: expected looks > 0, found {looks}")

    @property
    def words(self) -> str:
        """What the level is, for people."""
        return NOISES[self.kind].words

    def __call__(self, frames: Tensor, rng: np.random.Generator) -> Tensor:
        """The frames (B, C, H, W) with noise, float32; the generator decides everything."""
        low, high = self.level
        level = rng.uniform(low, high, (len(frames), 1, 1, 1)) if high > low else low
        levels = np.full((len(frames), 1, 1, 1), level, np.float64)
        pixels = frames.detach().cpu().numpy().astype(np.float32)
        noisy = NOISES[self.kind].apply(pixels, levels, rng, **self.options)
        return torch.from_numpy(np.where(np.isnan(pixels), pixels, noisy).astype(np.float32))

    def at(self, level: float) -> Noise:
        """The same noise, always at this level."""
        return replace(self, level=(level, level))


def noise_of(options: Mapping[str, object]) -> Noise:
    """The noise that a mapping such as {"kind": "gaussian", "level": 0.3} names.

    Args:
        options: `kind`; `level`, a number or a pair of the lowest and the highest; for
            "gaussian" and "speckle" `clip`, whether values beyond 0 … 255 are cut off; for
            "receiver" `snr`, `looks` and `ranged`, see `pipeline.radar_noise.add_receiver`.

    Raises:
        ValueError: If the kind, the level or an option is missing, unknown or out of range.
    """
    given = dict(options)
    if not {"kind", "level"} <= set(given):
        raise ValueError(f"noise: expected at least kind and level, found {sorted(given)}")
    kind, level = str(given.pop("kind")), given.pop("level")
    pair = tuple(level) if isinstance(level, (list, tuple)) else (level, level)
    if len(pair) != 2:
        raise ValueError(f"noise {kind!r}: expected one level or two, found {len(pair)}")
    low, high = (_number(kind, "level", one) for one in pair)
    return Noise(kind, (low, high), {name: _number(kind, name, v) for name, v in given.items()})


def _number(kind: str, name: str, value: object) -> float:
    options = NOISES[kind].options if kind in NOISES else {}
    numeric = name == "level" or not isinstance(options.get(name, True), bool)
    if isinstance(value, (int, float)) and not (numeric and isinstance(value, bool)):
        return float(value)
    raise ValueError(f"noise {kind!r}: expected {name} as a number, found {value!r}")


def _normal(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return rng.standard_normal(pixels.shape, dtype=np.float32)


def _add_gaussian(
    pixels: Pixels, level: Pixels, rng: np.random.Generator, clip: bool = False
) -> Pixels:
    noisy = pixels + (WHITE * level).astype(np.float32) * _normal(pixels, rng)
    return np.clip(noisy, 0, WHITE) if clip else noisy


def _speckle(pixels: Pixels, level: Pixels, rng: np.random.Generator, clip: bool = False) -> Pixels:
    noisy = pixels * (1 + level.astype(np.float32) * _normal(pixels, rng))
    return np.clip(noisy, 0, WHITE) if clip else noisy


def _salt_and_pepper(pixels: Pixels, level: Pixels, rng: np.random.Generator) -> Pixels:
    drawn = rng.random(pixels[:, :1].shape)
    salted = np.where(drawn < level / 2, np.float32(WHITE), np.float32(0))
    return np.where(drawn < level, salted, pixels)


def _mask(pixels: Pixels, level: Pixels, rng: np.random.Generator) -> Pixels:
    return np.where(rng.random(pixels[:, :1].shape) < level, np.float32(0), pixels)


def _count_photons(pixels: Pixels, level: Pixels, rng: np.random.Generator) -> Pixels:
    unit = WHITE * np.maximum(level, FEWEST) ** 2
    light = np.where(pixels > 0, pixels, 0) / unit
    counted: Pixels = (rng.poisson(light) * unit).astype(np.float32)
    return np.where(level > 0, counted, pixels)


_CLIP: Mapping[str, bool] = {"clip": False}
_RECEIVER: Mapping[str, float | bool] = {"snr": 3.0, "looks": 1.0, "ranged": False}

NOISES: dict[str, Kind] = {
    "gaussian": Kind(_add_gaussian, "σ as a share of white", highest=100.0, options=_CLIP),
    "salt_and_pepper": Kind(_salt_and_pepper, "share of pixels that turn white or black"),
    "masking": Kind(_mask, "share of pixels set to 0"),
    "poisson": Kind(_count_photons, "1/√(photons at white)", highest=100.0),
    "speckle": Kind(_speckle, "σ of the factor of each pixel", highest=100.0, options=_CLIP),
    "receiver": Kind(
        add_receiver, "mean noise power in dBZ", CLEAREST, 60.0, options=_RECEIVER, radar=True
    ),
    "clutter": Kind(add_clutter, "share of pixels under ground clutter", radar=True),
    "spikes": Kind(add_spikes, "share of azimuths with a spike", radar=True),
    "sectors": Kind(blank, "share of azimuths that are missing", radar=True),
    "radar": Kind(spoil, "strength of receiver noise, clutter, spikes and sectors", radar=True),
}

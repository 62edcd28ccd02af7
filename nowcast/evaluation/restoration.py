"""How near restored images come to the clean ones: sums that add, and the scores read from them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nowcast.evaluation.verdicts import UNIT
from nowcast.verification.similarity import RADIUS, structural_similarity

WHITE = 255.0
CEILING = 100.0
SURE = 1.959963984540054
SUMS = ("images", "error", "psnr", "psnr_square", "similarity", "similarity_square", "windowed")


class Interval(NamedTuple):
    """The ends of a 95 % interval."""

    low: float
    high: float


class Gain(NamedTuple):
    """How much better one method restores the same images than another.

    Args:
        mean: PSNR of the first less that of the second in dB, the mean of images.
        low: Where the mean of all such images lies in 95 of 100 cases, from here …
        high: … to here.
        share: Of the images that the first restored better.
    """

    mean: float
    low: float
    high: float
    share: float


class RestorationTally:
    """Sums over images; a + b is the tally of both, the same in any order and any parts.

    Pixels are clipped to 0 … 255 before they are compared: a picture holds no others.
    """

    def __init__(self) -> None:
        self.sums: dict[str, int] = dict.fromkeys(SUMS, 0)

    def update(self, restored: Tensor, clean: Tensor) -> None:
        """Add images.

        Args:
            restored: (B, C, H, W) 0 to 255.
            clean: The same images without noise.

        Raises:
            ValueError: If shapes differ or a value is not finite.
        """
        errors = image_mse(restored, clean)
        levels = _in_decibels(errors)
        self._add("error", errors)
        self._add("psnr", levels)
        self._add("psnr_square", levels**2)
        self.sums["images"] += len(errors)
        if min(clean.shape[-2:]) > 2 * RADIUS:
            similarity = image_ssim(restored, clean)
            self._add("similarity", similarity)
            self._add("similarity_square", similarity**2)
            self.sums["windowed"] += len(errors)

    def __add__(self, other: RestorationTally) -> RestorationTally:
        both = RestorationTally()
        both.sums = {name: held + other.sums[name] for name, held in self.sums.items()}
        return both

    @property
    def images(self) -> int:
        """How many were counted."""
        return self.sums["images"]

    def mse(self) -> float:
        """Mean squared error of pixels.

        MSE = mean of (restored − clean)². Range 0 to 65025, best 0.

        Undefined: NaN without images.
        """
        return self._mean("error", "images")

    def psnr(self) -> float:
        """Mean of the images' peak signal-to-noise ratios in dB.

        PSNR = 10 log10(255² / MSE) of each image. Range 0 to CEILING, best CEILING, which stands
        for an image without error. The mean of logarithms is not the logarithm of the mean: it is
        at least the PSNR of `mse`.

        Undefined: NaN without images.

        Source: Huynh-Thu and Ghanbari, 2008, Electronics Letters 44, 800-801,
            doi:10.1049/el:20080522.
        """
        return self._mean("psnr", "images")

    def psnr_interval(self) -> Interval:
        """Where the mean of all such images lies in 95 of 100 cases: mean ± 1.96 standard errors.

        Undefined: NaN with fewer than two images.
        """
        return self._interval("psnr", "images")

    def ssim(self) -> float:
        """Mean of the images' structural similarity, over channels and windows within the image.

        SSIM as of `nowcast.verification.similarity.structural_similarity` with 255 for the span.
        Range −1 to 1, best 1.

        Undefined: NaN without images of at least 11 × 11 pixels.

        Source: Wang et al., 2004, IEEE Transactions on Image Processing 13, 600-612,
            doi:10.1109/TIP.2003.819861.
        """
        return self._mean("similarity", "windowed")

    def ssim_interval(self) -> Interval:
        """Where the mean of all such images lies in 95 of 100 cases: mean ± 1.96 standard errors.

        Undefined: NaN with fewer than two images.
        """
        return self._interval("similarity", "windowed")

    def _add(self, name: str, values: NDArray[np.float64]) -> None:
        self.sums[name] += sum(np.rint(values / UNIT).astype(np.int64).tolist())

    def _mean(self, name: str, count: str) -> float:
        images = self.sums[count]
        return self.sums[name] * UNIT / images if images else math.nan

    def _interval(self, name: str, count: str) -> Interval:
        images = self.sums[count]
        if images < 2:
            return Interval(math.nan, math.nan)
        mean = self._mean(name, count)
        spread = self.sums[f"{name}_square"] * UNIT / images - mean**2
        reach = SURE * math.sqrt(max(spread, 0.0) / (images - 1))
        return Interval(mean - reach, mean + reach)


def image_mse(restored: Tensor, clean: Tensor) -> NDArray[np.float64]:
    """(B,) mean squared error of each image (B, C, H, W), clipped to 0 … 255.

    Raises:
        ValueError: If shapes differ or a value is not finite.
    """
    _check(restored, clean)
    errors = (_clipped(restored) - _clipped(clean)).square_().mean((1, 2, 3))
    held: NDArray[np.float64] = errors.numpy()
    return held


def image_psnr(restored: Tensor, clean: Tensor) -> NDArray[np.float64]:
    """(B,) peak signal-to-noise ratio in dB of each image, as `RestorationTally.psnr` has it."""
    return _in_decibels(image_mse(restored, clean))


def compare_restored(first: NDArray[np.floating], second: NDArray[np.floating]) -> Gain:
    """The first method against the second, image by image.

    Args:
        first: (N,) PSNR of each image.
        second: Of the same images in the same order.

    Undefined: The interval is NaN of one image.

    Raises:
        ValueError: If they are not of equal length, or of none.
    """
    if first.shape != second.shape or not first.size:
        raise ValueError(
            f"restored images: expected the same images of both methods, found {first.size} and "
            f"{second.size}; judge both on the same"
        )
    gains = first.astype(np.float64) - second
    mean, count = float(gains.mean()), len(gains)
    reach = SURE * float(gains.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    return Gain(mean, mean - reach, mean + reach, float((gains > 0).mean()))


def image_ssim(restored: Tensor, clean: Tensor) -> NDArray[np.float64]:
    """(B,) structural similarity of each image, as `RestorationTally.ssim` has it.

    Undefined: NaN of images that no window of 11 × 11 pixels fits in.
    """
    _check(restored, clean)
    if min(clean.shape[-2:]) <= 2 * RADIUS:
        return np.full(len(clean), math.nan)
    first, second = (_clipped(images).flatten(0, 1) for images in (restored, clean))
    similarity = structural_similarity(first, second, WHITE).mean((1, 2))
    held: NDArray[np.float64] = similarity.reshape(clean.shape[:2]).mean(1).numpy()
    return held


def _in_decibels(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(WHITE**2 / errors)
    held: NDArray[np.float64] = levels.clip(max=CEILING)
    return held


def _clipped(images: Tensor) -> Tensor:
    return images.detach().cpu().double().clamp(0, WHITE)


def _check(restored: Tensor, clean: Tensor) -> None:
    if restored.shape != clean.shape or clean.ndim != 4:
        raise ValueError(
            f"restored images: expected (B, C, H, W) like the clean ones, {tuple(clean.shape)}, "
            f"found {tuple(restored.shape)}"
        )
    broken = ~(restored.isfinite() & clean.isfinite()).flatten(1).all(1)
    if broken.any():
        raise ValueError(
            f"restored images: expected finite pixels, found {int(broken.sum())} of {len(broken)} "
            "images without; look at the weights of the network"
        )

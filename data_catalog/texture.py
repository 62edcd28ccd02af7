"""Noise that looks like rain: a power-law spectrum whose small scales change the fastest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

LONGEST_KM = 120.0


def textures(
    size: int, pixel_km: float, cadence_minutes: float, rng: np.random.Generator
) -> Iterator[tuple[Plane, Plane]]:
    """Endless coarse and fine Gaussian noise, each (size, size), periodic, mean 0, variance 1.

    A wavelength of L km is forgotten by the factor e within 5 L^0.7 minutes, about as
    long as rain of that size lasts in the moving frame.
    """
    per_km = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) / pixel_km
    wavelength = 1 / np.maximum(per_km, 1 / LONGEST_KM)
    coarse, fine = (_amplitude(wavelength, pixel_km, slope) for slope in (1.7, 1.0))
    kept = np.exp(-cadence_minutes / (5 * wavelength**0.7)).astype(np.float32)
    fresh = np.sqrt(1 - kept**2)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), np.float32))
    while True:
        yield _real(spectrum * coarse), _real(spectrum * fine)
        noise = np.fft.rfft2(rng.standard_normal((size, size), np.float32))
        spectrum = kept * spectrum + fresh * noise


def sample(texture: Plane, x: Plane, y: Plane) -> Plane:
    """The periodic texture at any places, in pixels, bilinear."""
    size = texture.shape[0]
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    i, j = top.astype(int) % size, left.astype(int) % size
    below, right = (i + 1) % size, (j + 1) % size
    upper = texture[i, j] * (1 - fx) + texture[i, right] * fx
    lower = texture[below, j] * (1 - fx) + texture[below, right] * fx
    sampled: Plane = upper * (1 - fy) + lower * fy
    return sampled


def _amplitude(wavelength: NDArray[np.float64], pixel_km: float, slope: float) -> Plane:
    amplitude = wavelength**slope * np.exp(-((2.5 * pixel_km / wavelength) ** 2))
    amplitude[0, 0] = 0
    twice = np.full(wavelength.shape[1], 2.0)
    twice[[0, -1]] = 1
    amplitude *= wavelength.shape[0] / np.sqrt((amplitude**2 * twice).sum())
    return amplitude.astype(np.float32)


def _real(spectrum: NDArray[np.complexfloating]) -> Plane:
    return np.fft.irfft2(spectrum).astype(np.float32, copy=False)

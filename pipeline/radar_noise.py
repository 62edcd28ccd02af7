"""What spoils reflectivity: receiver noise, ground clutter, spikes and missing sectors.

Each function takes frames (B, T, H, W) in dBZ, a level (B, 1, 1, 1) and a generator. Sites,
clutter and sectors are the same in all T frames of a sample; receiver noise, the strength of
clutter and spikes change from frame to frame. What is missing stays so, and nothing falls below
NO_ECHO.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.reflectivity import NO_ECHO

CLEAREST = NO_ECHO
BEAMS = 360
CLUSTER_PIXELS, SPOT_PIXELS = 6.0, 0.7
WEAKEST_CLUTTER, STRONGEST_CLUTTER = 10.0, 60.0
FADING_DB = 2.0
SPIKE_DBZ = (5.0, 40.0)
SPIKE_DB = 1.5
NEAR = 0.5
RECEIVER_DBZ, CLUTTER_SHARE, SPIKE_SHARE, SECTOR_SHARE = 10.0, 0.1, 0.02, 0.15

Pixels = NDArray[np.float32]
Levels = NDArray[np.float64]
Reals = NDArray[np.float64]


def add_receiver(
    dbz: Pixels,
    level: Levels,
    rng: np.random.Generator,
    snr: float = 3.0,
    looks: float = 1.0,
    ranged: bool = False,
) -> Pixels:
    """Receiver noise, added in linear power; what does not exceed it clearly is no echo.

    Args:
        dbz: Frames; dry pixels get noise too.
        level: Mean power of the noise in dBZ; −∞ for none.
        rng: Decides everything.
        snr: Least ratio in dB of a pixel's power to the mean of the noise that is reported;
            what is weaker becomes no echo. −∞ reports all.
        looks: Samples averaged in a pixel; the power of the noise is gamma distributed, for
            one look exponentially (speckle).
        ranged: Whether the noise rises with the square of the distance from a site at a random
            place; the level is then that of the farthest pixel.
    """
    floor = 10 ** (level / 10)
    if ranged:
        distance, _ = _polar(dbz.shape, rng)
        floor = floor * (distance / distance.max((2, 3), keepdims=True)) ** 2
    power = np.where(dbz <= NO_ECHO, 0, 10 ** (dbz.astype(np.float64) / 10))
    power += floor * rng.gamma(looks, 1 / looks, dbz.shape)
    seen = power >= floor * 10 ** (snr / 10)
    with np.errstate(divide="ignore"):
        noisy = np.where(seen, np.maximum(10 * np.log10(power), NO_ECHO), NO_ECHO)
    return np.where((floor > 0) & ~np.isnan(dbz), noisy, dbz).astype(np.float32)


def add_clutter(dbz: Pixels, level: Levels, rng: np.random.Generator) -> Pixels:
    """Ground clutter: clustered spots of a pixel to a few, 10 … 60 dBZ, with strong gradients.

    A pixel is the stronger of clutter and rain; `level` is the share of pixels under clutter,
    to the nearest pixel.
    """
    count, times, height, width = dbz.shape
    clutter = np.full(dbz.shape, NO_ECHO, np.float32)
    for sample in range(count):
        ground = _rough((height, width), CLUSTER_PIXELS, rng)
        ground += _rough((height, width), SPOT_PIXELS, rng)
        shares, fading = rng.random((height, width)), rng.standard_normal((times, height, width))
        under = round(float(level[sample, 0, 0, 0]) * height * width)
        order = np.argsort(ground, axis=None)[height * width - under :]
        excess = np.arange(1, under + 1) / max(under, 1)
        span = STRONGEST_CLUTTER - WEAKEST_CLUTTER
        peak = WEAKEST_CLUTTER + span * (excess + shares.flat[order]) / 2
        strength = peak + FADING_DB * fading.reshape(times, -1)[:, order]
        flat = clutter[sample].reshape(times, -1)
        flat[:, order] = strength.clip(WEAKEST_CLUTTER, STRONGEST_CLUTTER)
    stronger: Pixels = np.maximum(dbz, clutter)
    return stronger


def add_spikes(dbz: Pixels, level: Levels, rng: np.random.Generator) -> Pixels:
    """Radial spikes: beams of 1° from a site in or near the field, stronger with distance.

    A pixel is the stronger of spike and rain. Each of the 360 beams is spoiled with probability
    `level`; its power rises with the square of the distance to 5 … 40 dBZ at the farthest pixel.
    """
    distance, azimuth = _polar(dbz.shape, rng)
    count, times, height, width = dbz.shape
    spoiled = rng.random((count, times, BEAMS)) < level[..., 0]
    strength = np.where(spoiled, rng.uniform(*SPIKE_DBZ, (count, times, BEAMS)), -math.inf)
    beam = np.minimum((azimuth * BEAMS).astype(np.int64), BEAMS - 1).reshape(
        count, 1, height * width
    )
    spikes = np.take_along_axis(strength, np.broadcast_to(beam, (count, times, height * width)), 2)
    loss = 20 * np.log10(distance / distance.max((2, 3), keepdims=True))
    spikes = spikes.reshape(dbz.shape) + loss + SPIKE_DB * rng.standard_normal(dbz.shape)
    stronger: Pixels = np.maximum(dbz, spikes.astype(np.float32))
    return stronger


def blank(dbz: Pixels, level: Levels, rng: np.random.Generator) -> Pixels:
    """A missing sector: a wedge from a site in or near the field is NaN.

    It spans `level` of all azimuths and begins at a random one.
    """
    _, azimuth = _polar(dbz.shape, rng)
    begin = rng.random(level.shape)
    missing = (azimuth - begin) % 1 < level
    return np.where(missing, np.float32(math.nan), dbz)


def spoil(dbz: Pixels, level: Levels, rng: np.random.Generator) -> Pixels:
    """Receiver noise, clutter, spikes and a sector together, each of a random strength.

    At level 1 the noise has a mean power of up to 10 dBZ, clutter lies on up to 10 % of the
    pixels, up to 2 % of the azimuths have a spike and up to 15 % are missing; powers and shares
    are in proportion to the level.
    """
    receiver, clutter, spikes, sectors = level * rng.random((4, *level.shape))
    with np.errstate(divide="ignore"):
        noisy = add_receiver(dbz, RECEIVER_DBZ + 10 * np.log10(receiver), rng)
    noisy = add_clutter(noisy, CLUTTER_SHARE * clutter, rng)
    noisy = add_spikes(noisy, SPIKE_SHARE * spikes, rng)
    return blank(noisy, SECTOR_SHARE * sectors, rng)


def _polar(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Reals, Reals]:
    """Distance in pixels, at least half of one, and azimuth 0 … 1, (B, 1, H, W), from a site.

    The site lies in the field or up to half its size beside it.
    """
    count, _, height, width = shape
    places = rng.uniform(-NEAR, 1 + NEAR, (2, count, 1, 1, 1))
    rows = np.arange(height)[:, None] + 0.5 - places[0] * height
    columns = np.arange(width) + 0.5 - places[1] * width
    turn = rng.random((count, 1, 1, 1))
    azimuth = (np.arctan2(columns, -rows) / (2 * math.pi) + turn) % 1
    return np.maximum(np.hypot(rows, columns), 0.5), azimuth


def _rough(shape: tuple[int, int], pixels: float, rng: np.random.Generator) -> Reals:
    """A random field of mean 0 and deviation 1 whose details are as large as that."""
    smooth: Reals = gaussian_filter(rng.standard_normal(shape), pixels, mode="wrap")
    deviation = smooth.std()
    return (smooth - smooth.mean()) / deviation if deviation > 0 else smooth

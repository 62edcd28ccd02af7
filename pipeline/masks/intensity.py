"""Brightness of one picture, made comparable with that of others."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.masks.decoding import Floats

Normalisation = Literal["none", "percentiles", "nuclei"]
NORMALISATIONS: tuple[Normalisation, ...] = ("none", "percentiles", "nuclei")
LOW, HIGH = 1.0, 99.8
LIGHT = 128.0
SMALLEST = np.float32(1e-6)
RED = 0
GREY = np.array([0.299, 0.587, 0.114], np.float32)


def is_light(picture: Floats) -> bool:
    """Whether the background is light, as in stained tissue: by the median of (C, H, W)."""
    return bool(np.median(grey_of(picture)) >= LIGHT)


def grey_of(picture: Floats) -> Floats:
    """The luminance (H, W) of a picture."""
    grey: Floats = picture[0] if len(picture) == 1 else np.tensordot(GREY, picture, 1)
    return grey


def normalised(picture: Floats, how: Normalisation, channels: int) -> Floats:
    """The picture (C, H, W) as a network is to see it, (channels, H, W) of 0 … 255.

    "none" leaves it; "percentiles" brings the 1st and the 99.8th of each channel to 0 and 255;
    "nuclei" first makes nuclei bright: of a picture with a light background it takes the red
    channel, in which haematoxylin is dark and eosin is not, upside down.

    Raises:
        ValueError: If there is no such normalisation.
    """
    if how not in NORMALISATIONS:
        raise ValueError(f"no normalisation {how!r}; there are {list(NORMALISATIONS)}")
    if how == "nuclei" and is_light(picture):
        picture = 255 - picture[RED][None]
    if len(picture) != channels:
        picture = np.repeat(grey_of(picture)[None], channels, 0)
    if how == "none":
        return picture
    low, high = np.percentile(picture, (LOW, HIGH), (1, 2), keepdims=True).astype(np.float32)
    scaled: Floats = (picture - low) * (255 / np.maximum(high - low, SMALLEST))
    return scaled.clip(0, 255)

"""The images that a network got wrong, or was least sure of, as small pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nowcast.evaluation.judged import Judged
from nowcast.report.classes.words import per_cent
from nowcast.report.maps import picture_uri

LONGEST_SIDE = 192
SMALL = 64
QUALITY = 85


@dataclass(frozen=True)
class Shown:
    """One image and what the network said of it."""

    index: int
    label: str
    predicted: str
    right: bool
    probability: str
    address: str
    alt: str
    coarse: bool


def show_images(
    judged: Iterable[Judged], images: Mapping[int, NDArray[Any]], classes: Sequence[str]
) -> list[Shown]:
    """Those of which there are pixels, in their order.

    Raises:
        ValueError: If pixels are not of one channel or three.
    """
    return [
        _shown(image, images[image.index], classes) for image in judged if image.index in images
    ]


def _shown(judged: Judged, pixels: NDArray[Any], classes: Sequence[str]) -> Shown:
    label, predicted = classes[judged.label], classes[judged.predicted]
    right = judged.label == judged.predicted
    odds = per_cent(judged.probability, 2 if judged.probability > 0.99 else 0)
    says = f"rightly taken for {predicted}" if right else f"labelled {label}, taken for {predicted}"
    return Shown(
        judged.index,
        label,
        predicted,
        right,
        odds,
        image_uri(pixels),
        f"Test image {judged.index}, {says} with {odds}",
        max(pixels.shape) < SMALL,
    )


def image_uri(pixels: NDArray[Any]) -> str:
    """Pixels 0 to 255, (H, W), (1, H, W) or (3, H, W), as the address of a picture.

    PNG where it is small, else a JPEG of at most LONGEST_SIDE.

    Raises:
        ValueError: If the shape is another.
    """
    held = np.asarray(pixels)
    if held.ndim == 2:
        held = held[None]
    if held.ndim != 3 or held.shape[0] not in (1, 3):
        raise ValueError(
            f"picture: expected (H, W), (1, H, W) or (3, H, W), found {np.shape(pixels)}"
        )
    held = np.clip(np.rint(held), 0, 255).astype(np.uint8)
    picture = Image.fromarray(held[0] if held.shape[0] == 1 else np.moveaxis(held, 0, -1))
    buffer = io.BytesIO()
    if max(picture.size) < SMALL:
        picture.save(buffer, "PNG", optimize=True)
        return picture_uri(buffer.getvalue())
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def size_of(address: str) -> tuple[int, int]:
    """Width and height in pixels of a picture that is its own address.

    Raises:
        ValueError: If it is no picture in base64.
    """
    try:
        held = io.BytesIO(base64.b64decode(address.partition(";base64,")[2]))
        with Image.open(held) as picture:
            return picture.size
    except OSError as error:
        raise ValueError(
            f"figure: expected a picture as a data URI in base64, found {address[:40]!r}"
        ) from error

"""Codes and what they stand for as pictures: the latent map, traversals, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nowcast.report.inside.pictures import Pixels, Sheet, Tile, photograph
from nowcast.report.inside.scatter import draw_embedding
from nowcast.report.training_facts import Figure
from nowcast.report.wording import number

ACROSS, SIDE, LARGE = 16, 56, 64
WHITE = 255.0


def draw_latent_map(
    codes: Tensor, labels: Tensor, classes: Sequence[str], network: str = "", seed: int = 0
) -> Figure:
    """The codes of images in the plane, by principal components and by t-SNE.

    Args:
        codes: (N, F) of two values or more.
        labels: (N,) the images' classes, which the network never saw.
        classes: Their names.
        network: Whose codes they are, for the title.
        seed: Of t-SNE.

    Raises:
        ValueError: If there are fewer than four images or two values.
    """
    if codes.shape[0] < 4 or codes.shape[1] < 2:
        raise ValueError(
            f"latent map: expected codes of 4 images or more of 2 values or more, found "
            f"{tuple(codes.shape)}"
        )
    drawn = draw_embedding(codes, labels, classes, "code", seed)
    return replace(
        drawn,
        title=_titled("Map of the codes", network),
        alt=f"{len(codes)} images in the plane by the {codes.shape[1]} values of their codes",
        sentence=f"Each mark is one of {len(codes)} test images, placed by its code of "
        f"{codes.shape[1]} values; its colour and shape are its class, which the network was never "
        "told, named at the middle of its marks. In t-SNE neighbours mean something, distances do "
        "not.",
    )


def draw_traversals(
    images: Tensor, values: Sequence[float], names: Sequence[str], network: str = ""
) -> Figure:
    """What a decoder makes of a code of which one value is changed.

    Args:
        images: (rows, steps, C, H, W), 0 to 255: a row for each value of the code.
        values: What it was set to at each step.
        names: Of the rows, "value 3".
        network: Whose decoder it is, for the title.

    Raises:
        ValueError: If there are not as many names as rows, or values as steps.
    """
    if images.shape[:2] != (len(names), len(values)):
        raise ValueError(
            f"traversals: expected {len(names)} rows of {len(values)} images, found "
            f"{tuple(images.shape[:2])}"
        )
    rows = [[Tile(_pixels(image)) for image in row] for row in images]
    headings = [number(value, 1).replace("−", "-") for value in values]
    sheet = Sheet(rows, _side(images), headings, list(names))
    return Figure(
        _titled("Along single values of the code", network),
        sheet.uri(),
        f"{len(names)} rows of {len(values)} decoded images as one value of the code goes from "
        f"{values[0]:g} to {values[-1]:g}",
        "In each row one value of the code goes from left to right, the others stay. Rows in which "
        "nothing changes are values that the network does not use.",
    )


def draw_samples(
    images: Tensor, distance: float | None = None, floor: float | None = None, network: str = ""
) -> Figure:
    """Images decoded from codes drawn by chance.

    Args:
        images: (N, C, H, W), 0 to 255.
        distance: Their Fréchet distance to test images, where it is known.
        floor: That of as many training images to the same test images.
        network: Whose decoder it is, for the title.

    Raises:
        ValueError: If there are none.
    """
    if not len(images):
        raise ValueError("samples: expected one image or more, found none")
    told = f"{len(images)} images decoded from codes drawn from the normal distribution."
    if distance is not None:
        told += f" Fréchet distance to test images, in the features of a classifier: {distance:.3g}"
        told += f"; of real training images {floor:.3g}." if floor is not None else "."
    return Figure(_titled("Samples", network), _sheet(images), f"{len(images)} samples", told)


def draw_atoms(images: Tensor, network: str = "") -> Figure:
    """What single values of a code add to an image: the decoder's filters.

    Args:
        images: (N, C, H, W) differences to the image of a code of zeros, of any range.
        network: Whose decoder it is, for the title.

    Raises:
        ValueError: If there are none.
    """
    if not len(images):
        raise ValueError("atoms: expected one image or more, found none")
    reach = images.abs().flatten(1).amax(1).clamp(min=1e-12)[:, None, None, None]
    return Figure(
        _titled("What each value of the code adds", network),
        _sheet(WHITE * (0.5 + images / (2 * reach))),
        f"{len(images)} pictures of what one value of the code adds to an image",
        "Grey adds nothing, white and black the most that it adds or takes away; each on a scale "
        "of its own.",
    )


def _sheet(images: Tensor) -> str:
    tiles = [Tile(_pixels(image)) for image in images]
    across = ACROSS if len(tiles) > 2 * ACROSS else ACROSS // 2
    rows = [tiles[n : n + across] for n in range(0, len(tiles), across)]
    return Sheet(rows, _side(images)).uri()


def _pixels(image: Tensor) -> Pixels:
    return photograph(torch.as_tensor(image).float() / WHITE)


def _side(images: Tensor) -> int:
    return SIDE if images.shape[-1] < LARGE else LARGE + SIDE // 2


def _titled(title: str, network: str) -> str:
    return f"{title}: {network}" if network else title

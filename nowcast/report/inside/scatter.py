"""Images as points in the plane, by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from nowcast.explain import Projection, pca, tsne
from nowcast.report.classes.facts import Figure
from nowcast.report.inside.pictures import FINE, GAP, INK, LINE, PAPER, SOFT, uri_of, write
from nowcast.report.styles import MARKERS

# Tol's muted colours, for all kinds of colour vision
COLOURS = (
    *("#cc6677", "#332288", "#ddcc77", "#117733", "#88ccee"),
    *("#882255", "#44aa99", "#999933", "#aa4499", "#777777"),
)
SIDE = 420
DOT = 2.6
SIDES = {"circle": 24, "square": 4, "triangle": 3, "diamond": 4, "down": 3, "cross": 4}
TURNS = {"square": 45.0, "triangle": -90.0, "diamond": 0.0, "down": 90.0}


def draw_embedding(
    features: Tensor, labels: Tensor, classes: Sequence[str], layer: str, seed: int = 0
) -> Figure:
    """The features of images (N, F) in the plane, by principal components and by t-SNE.

    Args:
        features: Of `explain.embedding`.
        labels: (N,) their classes.
        classes: Their names.
        layer: Where the features are from.
        seed: Of t-SNE.
    """
    linear, nearby = pca(features), tsne(features, seed)
    shares = [f"{100 * float(share):.0f} %" for share in linear.share]
    canvas = Image.new("RGB", (FINE * (2 * SIDE + 3 * GAP), FINE * (SIDE + 2 * LINE + GAP)), PAPER)
    titles = (f"Principal components: {' and '.join(shares)} of the variance", "t-SNE")
    for place, (title, plane) in enumerate(zip(titles, (linear, nearby), strict=True)):
        corner = GAP + place * (SIDE + GAP), GAP + LINE + 4
        write(canvas, (corner[0], GAP), title)
        _draw_points(canvas, corner, plane, labels.numpy(), classes)
    return Figure(
        "The images as the network groups them",
        uri_of(canvas),
        f"{len(labels)} images of {len(classes)} classes in the plane, by the {features.shape[1]} "
        f"features of layer {layer}: principal components with {' and '.join(shares)} of the "
        "variance, and t-SNE",
        f"Each mark is one of {len(labels)} test images, placed by layer {layer}; its colour and "
        "shape are its true class, named at the middle of its marks. Classes that mix are those "
        "the network confuses. In t-SNE neighbours mean something, distances do not.",
    )


def _draw_points(
    canvas: Image.Image,
    corner: tuple[int, int],
    plane: Projection,
    labels: NDArray[np.int64],
    classes: Sequence[str],
) -> None:
    places = _fitted(plane.places.numpy())
    brush = ImageDraw.Draw(canvas)
    box = [FINE * value for value in (*corner, corner[0] + SIDE, corner[1] + SIDE)]
    brush.rectangle(box, outline=SOFT)
    for (x, y), label in zip(places, labels.tolist(), strict=True):
        _draw_mark(brush, corner[0] + x, corner[1] + y, label)
    middles = {n: np.median(places[labels == n], 0) for n in sorted(set(labels.tolist()))}
    for label, (x, y) in _apart(middles).items():
        write(canvas, (corner[0] + x, corner[1] + y), classes[label], INK, "mm", halo=True)


def _fitted(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Places within the box, up is up; one scale for both axes."""
    low, high = places.min(0), places.max(0)
    scale = (SIDE - 24) / max(float((high - low).max()), 1e-12)
    middle = (places - (low + high) / 2) * scale * np.array([1, -1])
    return np.asarray(middle + SIDE / 2, np.float32)


def _apart(middles: dict[int, NDArray[np.float32]]) -> dict[int, tuple[float, float]]:
    """The places of names, from above down, moved so that no line covers another."""
    told: dict[int, tuple[float, float]] = {}
    for label, (x, y) in sorted(middles.items(), key=lambda held: float(held[1][1])):
        while any(abs(x - other) < 80 and abs(y - high) < LINE for other, high in told.values()):
            y += 2
        told[label] = float(np.clip(x, 40, SIDE - 40)), float(np.clip(y, 10, SIDE - 10))
    return told


def _draw_mark(brush: ImageDraw.ImageDraw, x: float, y: float, label: int) -> None:
    colour = COLOURS[label % len(COLOURS)]
    marker = MARKERS[(label // 30 + label) % len(MARKERS)]
    x, y = FINE * x, FINE * y
    reach = FINE * DOT
    if marker == "cross":
        brush.line((x - reach, y - reach, x + reach, y + reach), colour, FINE)
        brush.line((x - reach, y + reach, x + reach, y - reach), colour, FINE)
        return
    turn, count = math.radians(TURNS.get(marker, 0.0)), SIDES[marker]
    angles = [turn + 2 * math.pi * n / count for n in range(count)]
    brush.polygon([(x + reach * math.cos(a), y + reach * math.sin(a)) for a in angles], colour)

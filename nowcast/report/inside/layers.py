"""The layers of any network as pictures: filters, activation maps, receptive fields."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nowcast.explain import (
    activations,
    effective_receptive_field,
    first_layer_filters,
    layer_shapes,
)
from nowcast.explain.layers import as_maps
from nowcast.report.classes.facts import Figure
from nowcast.report.colours import DIVERGING, SEQUENTIAL
from nowcast.report.inside.pictures import Key, Pixels, Sheet, Tile, heat, photograph, signed
from nowcast.report.wording import number

FILTERS, ACROSS = 64, 16
CHANNELS = 8
DEPTHS = 4
LARGE = 5  # pixels a side from which a filter has a look of its own
LEARNED = " Edges, spots and colours mean that it has learned, speckle that it has not."
AT_ONCE = 64**2 * 64  # pixels of all draws


def draw_filters(network: nn.Module, channels: int = 1) -> Figure:
    """The filters of the first layer, the 64 largest where there are more.

    Args:
        network: Any with a convolution, or with a dense layer of square images first.
        channels: Of these images.

    Raises:
        ValueError: If it has neither.
    """
    weights = first_layer_filters(network, channels)
    reach = float(weights.abs().max())
    largest = weights.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:FILTERS]
    order = largest.sort().values.tolist()
    inputs, height, width = weights.shape[1:]
    if inputs in (1, 3):
        tiles = [Tile(_filter(weights[n], reach)) for n in order]
        rows = [tiles[n : n + ACROSS] for n in range(0, len(tiles), ACROSS)]
        names, headings = [], []
    else:
        order, shown = order[:ACROSS], range(min(inputs, ACROSS))
        rows = [[Tile(_filter(weights[n, m : m + 1], reach)) for m in shown] for n in order]
        names = [f"filter {n}" for n in order]
        headings = [f"input {m}" for m in shown]
    size = f"{height} × {width}"
    key = Key(DIVERGING, number(-reach, 2), number(reach, 2), "weight")
    sheet = Sheet(rows, 44, headings, names, [] if inputs == 3 else [key])
    count = f"{len(order)} of {len(weights)}" if len(order) < len(weights) else f"{len(order)}"
    told = f"{count} filters of {size} pixels" + (f" and {inputs} inputs" if inputs > 1 else "")
    return Figure(
        "Filters of the first layer",
        sheet.uri(),
        f"{told}; weights from {number(float(weights.min()), 2)} to "
        f"{number(float(weights.max()), 2)}",
        f"{told}, all on one scale: pale filters count for little."
        + (LEARNED if min(height, width) >= LARGE else ""),
    )


def _filter(weights: Tensor, reach: float) -> Pixels:
    if len(weights) == 3:
        return photograph(0.5 + weights / (2 * reach))
    return signed(weights[0], reach)


def depths(network: nn.Module, inputs: Tensor, most: int = DEPTHS) -> list[str]:
    """Layers with maps: the last of every size, from the first on; at most so many, spread out."""
    shapes = layer_shapes(network, inputs[:1])
    last: dict[tuple[int, ...], str] = {}
    for name, answer in activations(network, list(shapes), inputs[:1]).items():
        maps = as_maps(answer)
        if maps is not None and min(maps.shape[-2:]) > 1:
            size = tuple(maps.shape[-2:])
            last.pop(size, None)
            last[size] = name
    names = list(last.values())
    places = torch.linspace(0, len(names) - 1, min(most, len(names))).round().int().tolist()
    return [names[place] for place in places]


def draw_maps(network: nn.Module, inputs: Tensor, picture: Tensor, told: str) -> Figure:
    """What layers of growing depth see in one image.

    Args:
        network: Any with maps.
        inputs: (1, C, H, W) as the network sees it.
        picture: (1 or 3, H, W), 0 to 1, for the eye.
        told: What it is, "a bag".

    Raises:
        ValueError: If no layer has maps.
    """
    names = depths(network, inputs)
    if not names:
        raise ValueError(f"{type(network).__name__}: expected layers with maps, found none")
    rows, labels = [[Tile(photograph(picture))]], ["the image"]
    for name, answer in activations(network, names, inputs).items():
        maps = as_maps(answer)
        if maps is None:
            continue
        best = maps[0].std((-2, -1)).argsort(descending=True, stable=True)[:CHANNELS].tolist()
        low, high = float(maps[0, best].min()), float(maps[0, best].max())
        rows.append([Tile(heat(maps[0, n], low, high), f"channel {n}") for n in best])
        sides = " × ".join(str(side) for side in maps.shape[-2:])
        labels.append(f"{name}\n{maps.shape[1]} maps, {sides}\n{low:.2g} to {high:.2g}")
    key = Key(SEQUENTIAL, "least", "most of the row", "activation")
    return Figure(
        "What the layers see",
        Sheet(rows, 84, (), labels, [key]).uri(),
        f"Activation maps of {told} in the layers {', '.join(names)}, {CHANNELS} channels each",
        f"Activation maps of {told}, layer by layer: the channels that vary most over it.",
    )


def draw_fields(
    network: nn.Module, inputs: Tensor, layers: list[str] | None = None, samples: int | None = None
) -> Figure:
    """How far the middle unit of each layer sees.

    Args:
        network: Any with maps.
        inputs: (B, C, H, W) real ones, as the network sees them.
        layers: Their names; None: of growing depth.
        samples: Draws for each layer; None: 64, fewer of large images.

    Raises:
        ValueError: If no layer has maps.
    """
    names = layers or depths(network, inputs)
    if not names:
        raise ValueError(f"{type(network).__name__}: expected layers with maps, found none")
    tiles, told = [], []
    _, channels, height, width = inputs.shape
    samples = samples or min(max(AT_ONCE // (height * width), 8), 64)
    for name in names:
        shape = channels, height, width
        field = effective_receptive_field(network, name, shape, samples, frames=inputs)
        side, (rows, columns) = field.effective_side, field.extent
        whole = ", all" if (rows, columns) == (height, width) else ""
        caption = f"{name}\nsees {rows} × {columns}{whole}\nmostly {side:.1f} × {side:.1f}"
        tiles.append(Tile(heat(field.influence.sqrt(), 0, 1), caption))
        told.append(f"{name} {side:.1f} of {rows} × {columns} pixels")
    key = Key(SEQUENTIAL, "0", "1", "root of the influence")
    return Figure(
        "How far the layers see",
        Sheet([tiles], 150, (), (), [key]).uri(),
        f"Effective receptive field of the middle unit, images of {height} × {width}: "
        + "; ".join(told),
        "Influence of every pixel on the middle unit of a layer. Below: from how many rows and "
        "columns it hears at all, and the square of the pixels with more than 4.55 % of the "
        "greatest influence.",
    )

"""What a classifier looks at and what it looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.explain import (
    grad_cam,
    maximise,
    occlusion,
    strongest_of_channels,
)
from nowcast.report.classes.facts import Figure
from nowcast.report.colours import DIVERGING, SEQUENTIAL
from nowcast.report.inside.pictures import Key, Sheet, Tile, heat, laid_over, photograph, tinted

Show = Callable[[Tensor], Tensor]
STRONGEST = 8
COVER = 0.6


@dataclass(frozen=True)
class Example:
    """One image, what it is and what the network says.

    Args:
        inputs: (C, H, W) as the network sees it.
        label: Its class.
        said: The class with the highest probability.
        probability: Of that class.
    """

    inputs: Tensor
    label: int
    said: int
    probability: float


def draw_evidence(
    network: nn.Module,
    layer: str | None,
    examples: Sequence[Example],
    classes: Sequence[str],
    show: Show,
) -> Figure:
    """Where the evidence for the named class lies: Grad-CAM and occlusion.

    Args:
        network: A classifier.
        layer: For Grad-CAM, of `map_layer`; None leaves Grad-CAM out.
        examples: One row each.
        classes: Their names.
        show: From what the network sees (C, H, W) to 0 … 1 for the eye.
    """
    inputs = torch.stack([held.inputs for held in examples])
    said = torch.tensor([held.said for held in examples], device=inputs.device)
    size = max(min(inputs.shape[-2:]) // 4, 1)
    falls = occlusion(network, inputs, said, size, max(size // 3, 1))
    maps = None if layer is None else grad_cam(network, layer, inputs, said)
    rows, names = [], []
    for n, held in enumerate(examples):
        ground = photograph(show(held.inputs))
        reach = float(falls[n].abs().max())
        covered = tinted(ground, falls[n], reach)
        row = [Tile(ground), Tile(covered, f"falls by up to {float(falls[n].max()):.1f}")]
        if maps is not None:
            seen = heat(maps[n], 0, float(maps[n].max()))
            row.insert(1, Tile(laid_over(ground, seen, COVER)))
        rows.append(row)
        names.append(_row_name(held, classes))
    return Figure(
        "Where the evidence lies",
        Sheet(rows, 120, _headings(layer), names, _keys(layer)).uri(),
        f"{len(examples)} images with maps of where the evidence for the named class lies: "
        + "; ".join(name.replace("\n", " ") for name in names),
        _evidence_sentence(layer, size),
    )


def _headings(layer: str | None) -> list[str]:
    return ["image", *(["Grad-CAM"] if layer else []), "occlusion"]


def _keys(layer: str | None) -> list[Key]:
    fall = Key(DIVERGING, "rise", "fall of the log-odds when covered", "occlusion")
    seen = Key(SEQUENTIAL, "none", "most of the image", "Grad-CAM")
    return [*([seen] if layer else []), fall]


def _evidence_sentence(layer: str | None, size: int) -> str:
    seen = f"Grad-CAM of layer {layer} is yellow where the image speaks for it; " if layer else ""
    return (
        f"For the class that the network names: {seen}occlusion is violet where covering "
        f"{size} × {size} pixels lowers its log-odds, orange where it raises them, grey where "
        "neither; below it the largest fall. Each picture has its own scale."
    )


def _row_name(held: Example, classes: Sequence[str]) -> str:
    sure = f"{100 * held.probability:.0f} %"
    if held.said == held.label:
        return f"{classes[held.label]}\nnamed so, {sure}"
    return f"{classes[held.label]}\ntaken for\n{classes[held.said]}, {sure}"


def draw_channels(
    network: nn.Module,
    layer: str,
    channels: Sequence[int],
    batches: Iterable[Tensor],
    show: Show,
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
    steps: int = 128,
) -> Figure:
    """What channels of a layer look for: the image made for them, and those they like most.

    Args:
        network: Any.
        layer: A name of `layer_names`.
        channels: One row each.
        batches: As the network sees them.
        show: From what the network sees (C, H, W) to 0 … 1 for the eye.
        bounds: Black and white, as the network sees them.
        steps: Of gradient ascent.
    """
    found = strongest_of_channels(network, layer, channels, batches, STRONGEST)
    rows, names = [], []
    for channel, best in zip(channels, found, strict=True):
        _, colours, height, width = best.images.shape
        made = maximise(network, layer, channel, (colours, height, width), steps, bounds=bounds)
        real = [
            Tile(photograph(show(image)), f"{value:.2f}")
            for image, value in zip(best.images, best.values.tolist(), strict=True)
        ]
        rows.append([Tile(photograph(show(made.image)), f"{made.response:.2f}"), *real])
        names.append(f"channel {channel}")
    return Figure(
        "What channels look for",
        Sheet(rows, 78, ("made for it", "answers most"), names).uri(),
        f"For {len(channels)} channels of layer {layer} an image made by gradient ascent and the "
        f"{STRONGEST} test images with the largest mean answer",
        f"Channels of layer {layer}: first an image made by gradient ascent to raise the "
        f"channel’s mean answer, then the {STRONGEST} test images to which it answers most, each "
        "with the answer.",
    )


def draw_classes(
    network: nn.Module,
    layer: str,
    classes: Sequence[str],
    shape: tuple[int, int, int],
    show: Show,
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
    steps: int = 128,
) -> Figure:
    """The image that each class asks for, of the layer that answers the logits."""
    tiles = []
    for label, name in enumerate(classes):
        made = maximise(network, layer, label, shape, steps, bounds=bounds)
        tiles.append(Tile(photograph(show(made.image)), f"{name}\nlogit {made.response:.1f}"))
    rows = [tiles[n : n + 5] for n in range(0, len(tiles), 5)]
    return Figure(
        "What each class asks for",
        Sheet(rows, 110).uri(),
        f"Images made by gradient ascent to raise the logit of {', '.join(classes)}",
        "Images made by gradient ascent to raise one class’s logit: a caricature of what the "
        "network takes for that class, seldom like a real one.",
    )

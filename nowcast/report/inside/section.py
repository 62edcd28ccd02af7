"""The section of a page that looks inside a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nowcast.explain import embedding, layer_shapes, map_layer
from nowcast.report.classes.facts import Figure
from nowcast.report.inside.classes import draw_channels, draw_classes, draw_evidence
from nowcast.report.inside.layers import draw_fields, draw_filters, draw_maps
from nowcast.report.inside.scatter import draw_embedding
from nowcast.report.inside.sweep import Sweep
from nowcast.tasks import ClassifyTask
from pipeline.batch import Batches

IMAGES, STEPS = 1000, 128
IMAGES_IF_LARGE, STEPS_IF_LARGE, LARGE = 128, 24, 64 * 64  # pixels
CHANNELS = 6
MOST_CLASSES = 20
LARGEST_FILTER = 64


def inside_figures(
    network: nn.Module,
    task: ClassifyTask,
    batches: Batches,
    classes: Sequence[str],
    images: int | None = None,
) -> list[Figure]:
    """Pictures of the inside of a classifier; those that its layers do not allow are left out.

    Args:
        network: Trained; its weights stay as they are.
        task: What it was trained for.
        batches: Test images, pixel values 0 to 255.
        classes: Their names by label.
        images: How many of them are taken, at most, the first ones; None: 1000, of images above
            64 × 64 pixels 128, which take their time.

    Raises:
        ValueError: If there are no images.
    """
    large = _are_large(batches)
    count = (IMAGES_IF_LARGE if large else IMAGES) if images is None else images
    steps = STEPS_IF_LARGE if large else STEPS
    sweep = Sweep(network, task, batches, count)
    examples = sweep.examples()
    first = examples[0].inputs[None]
    shapes, maps = layer_shapes(network, first), map_layer(network, first)
    figures = [draw_evidence(network, maps, examples, classes, sweep.show)]
    vectors = _last_vectors(shapes) or maps
    if vectors and len(sweep.labels) >= 4:
        features = embedding(network, vectors, sweep.inputs())
        figures.append(draw_embedding(features, sweep.labels, classes, vectors))
    if layer := maps or vectors:
        chosen = _channels(embedding(network, layer, sweep.inputs()))
        inputs, show, bounds = sweep.inputs(), sweep.show, sweep.bounds
        figures.append(draw_channels(network, layer, chosen, inputs, show, bounds, steps))
    if 1 < task.outputs == len(classes) <= MOST_CLASSES:
        logits, shape = list(shapes)[-1], (task.channels, *first.shape[-2:])
        asked = draw_classes(network, logits, classes, shape, sweep.show, sweep.bounds, steps)
        figures.append(asked)
    told = f"the first image ({classes[examples[0].label]})"
    return figures + _layers(network, first, sweep, told)


def _layers(network: nn.Module, first: Tensor, sweep: Sweep, told: str) -> list[Figure]:
    figures = [draw_filters(network, first.shape[1])] if _has_filters(network, first) else []
    if map_layer(network, first) is not None:
        figures.append(draw_maps(network, first, sweep.show(first[0]), told))
        figures.append(draw_fields(network, next(sweep.inputs())))
    return figures


def _are_large(batches: Batches) -> bool:
    first = next(iter(batches.sweep()), None)
    return first is not None and first.frames[0, 0].numel() > LARGE


def _has_filters(network: nn.Module, first: Tensor) -> bool:
    """Whether it has convolutions, or looks at the whole of small images first."""
    if any(isinstance(part, nn.Conv2d) for part in network.modules()):
        return True
    height, width = first.shape[-2:]
    dense = next((part for part in network.modules() if isinstance(part, nn.Linear)), None)
    whole = dense is not None and dense.in_features == first[0].numel()
    return whole and height == width <= LARGEST_FILTER


def _last_vectors(shapes: dict[str, tuple[int, ...]]) -> str | None:
    """The last layer that answers with vectors other than the logits."""
    logits = list(shapes.values())[-1]
    found = [name for name, shape in shapes.items() if len(shape) == 2 and shape != logits]
    return found[-1] if found else None


def _channels(features: Tensor) -> list[int]:
    """Some of those that answer to images differently, spread evenly over the layer."""
    alive = torch.nonzero(features.std(0, correction=0) > 0)[:, 0]
    places = torch.linspace(0, len(alive) - 1, min(CHANNELS, len(alive))).round().long()
    return [int(channel) for channel in alive[places]]

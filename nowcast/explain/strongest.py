"""The images to which a channel answers most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.explain.layers import activations, check_channel, responses


class Strongest(NamedTuple):
    """Images in the order of a channel's mean answer, the strongest first.

    Args:
        images: (k, C, H, W) as the network sees them.
        values: (k,) the answers.
        places: (k,) where they stand among all images, from 0.
    """

    images: Tensor
    values: Tensor
    places: Tensor


def strongest_images(
    network: nn.Module, layer: str, channel: int, batches: Iterable[Tensor], k: int = 9
) -> Strongest:
    """The k images of (B, C, H, W) to which one channel answers most.

    Raises:
        ValueError: If there is no such layer or channel, or no batch.
    """
    return strongest_of_channels(network, layer, [channel], batches, k)[0]


def strongest_of_channels(
    network: nn.Module,
    layer: str,
    channels: Sequence[int],
    batches: Iterable[Tensor],
    k: int = 9,
) -> list[Strongest]:
    """`strongest_images` of several channels, the images read once; alike ones in their order."""
    best: list[Strongest | None] = [None] * len(channels)
    seen = 0
    for frames in batches:
        found = responses(activations(network, [layer], frames)[layer]).float()
        places = torch.arange(seen, seen + len(frames))
        for place, channel in enumerate(channels):
            check_channel(layer, channel, found.shape[1])
            fresh = Strongest(frames, found[:, channel], places.to(frames.device))
            best[place] = _merged(best[place], fresh, k)
        seen += len(frames)
    kept = [held for held in best if held is not None]
    if len(kept) < len(channels):
        raise ValueError("strongest images: expected at least one batch, found none")
    return kept


def _merged(held: Strongest | None, fresh: Strongest, k: int) -> Strongest:
    images, values, places = (
        fresh if held is None else (torch.cat(pair) for pair in zip(held, fresh, strict=True))
    )
    order = values.argsort(descending=True, stable=True)[:k]
    return Strongest(images[order], values[order], places[order])

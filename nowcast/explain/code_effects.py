"""What tying, sparsity and contraction do to autoencoders, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.explain.layers import evaluating
from nowcast.models import Autoencoder, EncoderDecoder

ACTIVE = 0.1
MOST = 0.9


def layer_weights(network: Autoencoder, layer: int) -> tuple[Tensor, Tensor]:
    """The weights (units, inputs) of a layer, counted from 0, to the code and back.

    A unit's row of the first is what it looks for, of the second what it draws.

    Raises:
        ValueError: If there is no such layer.
    """
    if not 0 <= layer < len(network.widths):
        raise ValueError(
            f"layer_weights: expected a layer from 0 to {len(network.widths) - 1}, found {layer}"
        )
    forth = _weights(network.encoder[2 * layer])
    if network.tied:
        return forth, forth.clone()
    back = _weights(network.decoder[len(network.decoder) - 2 - 2 * layer])
    return forth, back.T.clone()


def _weights(layer: nn.Module) -> Tensor:
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"expected a dense layer, found {type(layer).__name__}")
    return layer.weight.detach().cpu().clone()


def weight_cosines(network: Autoencoder, layer: int) -> Tensor:
    """Cosine between what each unit of a layer looks for and what it draws: (units,).

    Range −1 to 1; 1 where the decoder has the encoder's weights, about 0 by chance.

    Raises:
        ValueError: As `layer_weights` does.
    """
    forth, back = layer_weights(network, layer)
    return torch.cosine_similarity(forth, back, dim=1).clamp(-1, 1)


@dataclass(frozen=True)
class Activity:
    """How much each unit of a code says.

    Args:
        mean: (units,) mean activation.
        active: (units,) share of the images for which it is active.
    """

    mean: Tensor
    active: Tensor


def unit_activity(codes: Tensor, above: float = ACTIVE) -> Activity:
    """Of codes (N, units): a unit is active where its size is `above` a bound."""
    return Activity(codes.mean(0), (codes.abs() > above).float().mean(0))


def pixels_that_count(filters: Tensor, share: float = MOST) -> Tensor:
    """Share of its inputs that hold most of each filter: (units, inputs) -> (units,).

    Range 0 to 1; small where a filter is a local part.

    Args:
        filters: A row a unit.
        share: Of its squared weights, that the fewest inputs must hold together.
    """
    squares = filters.double().square().sort(1, descending=True).values
    held = squares.cumsum(1) / squares.sum(1, keepdim=True).clamp(min=1e-30)
    fewest = (held < share).sum(1) + 1
    return (fewest / filters.shape[1]).clamp(max=1).float()


def nearest_images(images: Tensor) -> Tensor:
    """The place of the image nearest to each among the others: (N, …) -> (N,).

    Raises:
        ValueError: If there are fewer than two.
    """
    if len(images) < 2:
        raise ValueError(f"nearest_images: expected at least 2 images, found {len(images)}")
    flat = images.flatten(1)
    apart = torch.cdist(flat, flat)
    return apart.fill_diagonal_(torch.inf).argmin(1)


@dataclass(frozen=True)
class Steps:
    """How far codes move when images take a step, for each length of it.

    Each is the distance that the code moves by that of the image, divided by the same ratio
    between images drawn by chance: 1 where a code changes as fast as it does from image to image.

    Args:
        along: (lengths,) mean over images, towards the nearest other image.
        across: (lengths,) in a direction drawn by chance.
    """

    along: Tensor
    across: Tensor


def code_steps(
    network: EncoderDecoder, frames: Tensor, lengths: Sequence[float], seed: int = 0
) -> Steps:
    """Steps of some lengths from images, along the data and across them.

    Args:
        network: With codes.
        frames: (N, C, H, W) images as the network sees them, no two alike.
        lengths: Euclidean, above 0.
        seed: Of the directions drawn by chance, and of the pairs of images.

    Raises:
        ValueError: If there are fewer than two images.

    Source: Rifai et al., 2011, International Conference on Machine Learning 28, 833-840.
    """
    values = frames.flatten(1)
    along = values[nearest_images(frames)] - values
    rng = torch.Generator().manual_seed(seed)
    across = torch.randn(values.shape, generator=rng).to(values)
    drawn = torch.randperm(len(values), generator=rng)
    with evaluating(network), torch.no_grad():
        codes = network.encode(frames).flatten(1)
        usual = _ways(codes - codes[drawn]) / _ways(values - values[drawn])

        def gains(directions: Tensor) -> Tensor:
            unit = directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-12)
            ends = [(values + length * unit).view_as(frames) for length in lengths]
            ways = [_ways(network.encode(end).flatten(1) - codes) for end in ends]
            return torch.stack(ways) / torch.tensor(lengths) / usual

        return Steps(gains(along), gains(across))


def _ways(differences: Tensor) -> Tensor:
    """Mean length of vectors (N, numbers)."""
    lengths: Tensor = differences.norm(dim=1)
    return lengths.mean()

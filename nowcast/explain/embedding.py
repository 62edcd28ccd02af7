"""Images as points: what a layer says of each, laid out in the plane."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nowcast.explain.layers import activations, responses


class Projection(NamedTuple):
    """Points in few dimensions.

    Args:
        places: (N, dimensions).
        share: Of the variance along each dimension; empty where the method has none.
    """

    places: Tensor
    share: Tensor


def embedding(network: nn.Module, layer: str, batches: Iterable[Tensor]) -> Tensor:
    """Features (N, F) of images: a layer's channels, maps averaged over their grid.

    Args:
        network: Any.
        layer: A name of `layer_names`.
        batches: (B, C, H, W) as the network sees them: `task.pose(batch).inputs`.

    Raises:
        ValueError: If there is no such layer, or no batch.
    """
    found = []
    for frames in batches:
        if not isinstance(frames, Tensor):
            raise TypeError(
                "embedding: expected tensors as the network sees them, found "
                f"{type(frames).__name__}; give task.pose(batch).inputs"
            )
        found.append(responses(activations(network, [layer], frames)[layer]).float().cpu())
    if not found:
        raise ValueError("embedding: expected at least one batch, found none")
    return torch.cat(found)


def pca(features: Tensor, dimensions: int = 2) -> Projection:
    """The principal components of (N, F), the largest first.

    The sign of each is such that its largest weight is positive.

    Raises:
        ValueError: If there are fewer images or features than dimensions.

    Source: Pearson, 1901, Philosophical Magazine 2, 559-572.
    """
    if min(features.shape) < dimensions:
        raise ValueError(
            f"pca: expected at least {dimensions} images and features, found "
            f"{features.shape[0]} and {features.shape[1]}"
        )
    centred = (features - features.mean(0)).double()
    left, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    strongest = axes.gather(1, axes.abs().argmax(1, keepdim=True))[:, 0]
    places = left * sizes * torch.where(strongest < 0, -1.0, 1.0)
    variance = sizes**2
    share = variance / variance.sum().clamp(min=torch.finfo(variance.dtype).tiny)
    return Projection(places[:, :dimensions].float(), share[:dimensions].float())


def tsne(features: Tensor, seed: int = 0, perplexity: float = 30.0) -> Projection:
    """Places in the plane that keep neighbours together; distances between groups say nothing.

    Args:
        features: (N, F), first brought to 50 principal components where there are more.
        seed: Of the optimisation.
        perplexity: About how many neighbours each image has; fewer among few images.

    Raises:
        ValueError: If there are fewer than 4 images.

    Source: van der Maaten and Hinton, 2008, Journal of Machine Learning Research 9, 2579-2605.
    """
    from sklearn.manifold import TSNE

    count = features.shape[0]
    if count < 4:
        raise ValueError(f"tsne: expected at least 4 images, found {count}")
    places = pca(features, min(50, *features.shape)).places.numpy()
    method = TSNE(2, perplexity=min(perplexity, (count - 1) / 3), init="pca", random_state=seed)
    return Projection(torch.from_numpy(method.fit_transform(places)).float(), torch.empty(0))

"""Principal components: the best linear autoencoder of every width at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PCADenoiser:
    """Images as their mean and a few principal components; the rest is taken for noise.

    Args:
        mean: (C, H, W).
        components: (width, C·H·W), orthonormal, of falling variance.
    """

    mean: Tensor
    components: Tensor

    @classmethod
    def fit(cls, images: Tensor, width: int) -> PCADenoiser:
        """The components of images (B, C, H, W); a missing pixel counts as the mean of it.

        Raises:
            ValueError: If the width is not of 1 to the smaller of images and pixels.
        """
        mean, components = _principal(images)
        if not 1 <= width <= len(components):
            raise ValueError(
                f"PCA: expected a width of 1 … {len(components)} for images "
                f"{tuple(images.shape)}, found {width}"
            )
        return cls(mean.reshape(images.shape[1:]), components[:width].clone())

    @property
    def words(self) -> str:
        """The method and its width."""
        return f"PCA of width {len(self.components)}"

    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width); a missing pixel counts as the mean of it."""
        return _centred(images, self.mean.flatten()) @ self.components.T

    def decode(self, code: Tensor) -> Tensor:
        """(B, width) -> (B, C, H, W)."""
        return (code.double() @ self.components).view(-1, *self.mean.shape) + self.mean

    def denoise(self, noisy: Tensor) -> Tensor:
        """(B, C, H, W), each the nearest image that the components can make."""
        restored = self.decode(self.encode(noisy)).float().to(noisy.device)
        return torch.where(noisy.isnan(), noisy.float(), restored)


def pca_curve(train: Tensor, test: Tensor, widths: Sequence[int]) -> Tensor:
    """Mean squared error by pixel of test images, at every width, exactly.

    The components are those of the training images, from one decomposition; with test = train
    no linear autoencoder of that width does better.

    Args:
        train: (B, C, H, W).
        test: (N, C, H, W), in the same units; missing pixels count as without error.
        widths: 0 leaves the mean alone; none greater than images or pixels allow.

    Returns:
        (widths,) in double precision, in the units of the images squared.

    Raises:
        ValueError: If a width is out of range.
    """
    mean, components = _principal(train)
    if not all(0 <= width <= len(components) for width in widths):
        raise ValueError(
            f"PCA: expected widths of 0 … {len(components)} for images {tuple(train.shape)}, "
            f"found {list(widths)}"
        )
    centred = _centred(test, mean)
    explained = ((centred @ components.T) ** 2).mean(0).cumsum(0)
    explained = torch.cat([explained.new_zeros(1), explained])[list(widths)]
    whole = (centred**2).sum(1).mean()
    return (whole - explained).clamp(min=0) / centred.shape[1]


def _centred(images: Tensor, mean: Tensor) -> Tensor:
    centred = images.detach().cpu().double().flatten(1) - mean
    return torch.where(centred.isnan(), 0, centred)


def _principal(images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (C·H·W,) and all components (least of images and pixels, C·H·W)."""
    flat = images.detach().cpu().double().flatten(1)
    mean = flat.nanmean(0)
    mean = torch.where(mean.isnan(), 0, mean)
    centred = _centred(images, mean)
    if len(centred) < centred.shape[1]:
        return mean, torch.linalg.svd(centred, full_matrices=False)[2]
    components = torch.linalg.eigh(centred.T @ centred)[1].flip(1).T
    return mean, components.contiguous()

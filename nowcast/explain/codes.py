"""Codes of autoencoders: where images lie, what lies between and beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.explain.embedding import Projection, pca, tsne
from nowcast.explain.layers import evaluating
from nowcast.models import EncoderDecoder

Method = Literal["pca", "tsne"]


def codes_of(network: EncoderDecoder, batches: Iterable[Tensor]) -> Tensor:
    """Codes (N, numbers) of images as the network sees them; maps are laid out in a row.

    Raises:
        ValueError: If there is no batch.
    """
    with evaluating(network), torch.no_grad():
        found = [network.encode(frames).flatten(1).float().cpu() for frames in batches]
    if not found:
        raise ValueError("codes_of: expected at least one batch, found none")
    return torch.cat(found)


def latent_map(codes: Tensor, method: Method = "pca", seed: int = 0) -> Projection:
    """Codes (N, numbers) in the plane; codes of two numbers lie where they are.

    Args:
        codes: At least two of one number or more.
        method: "pca" or "tsne" for codes of more than two numbers.
        seed: Of t-SNE.

    Raises:
        ValueError: If there is no such method, or there are too few codes.
    """
    if method not in ("pca", "tsne"):
        raise ValueError(f"no method {method!r}; there are ['pca', 'tsne']")
    if codes.shape[1] <= 2:
        variance = codes.var(0)
        places = nn.functional.pad(codes, (0, 2 - codes.shape[1]))
        return Projection(places, variance / variance.sum().clamp(min=1e-12))
    return pca(codes) if method == "pca" else tsne(codes, seed)


def traversals(
    network: EncoderDecoder, code: Tensor, numbers: Sequence[int], values: Sequence[float]
) -> Tensor:
    """Images while one number of a code runs through values and the others stay.

    Args:
        network: With dense codes.
        code: (code,) to begin with.
        numbers: Which run, one after the other.
        values: What they run through.

    Returns:
        (numbers, values, C, H, W).

    Raises:
        ValueError: If the code has no such number.
    """
    if not numbers or not values or max(numbers) >= len(code) or min(numbers) < 0:
        raise ValueError(
            f"traversals: expected values, and numbers from 0 to {len(code) - 1}, found "
            f"{list(values)} and {list(numbers)}"
        )
    codes = code.repeat(len(numbers), len(values), 1)
    for row, number in enumerate(numbers):
        codes[row, :, number] = torch.tensor(values, dtype=code.dtype, device=code.device)
    with evaluating(network), torch.no_grad():
        images = network.decode(codes.flatten(0, 1))
    return images.reshape(len(numbers), len(values), *images.shape[1:])


def prior_samples(network: EncoderDecoder, width: int, count: int, seed: int = 0) -> Tensor:
    """Images (count, C, H, W) of codes drawn from N(0, 1), what a variational network imagines.

    Args:
        network: With dense codes.
        width: Numbers of a code.
        count: How many images.
        seed: Decides the codes alone.
    """
    codes = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    device = next(network.parameters()).device
    with evaluating(network), torch.no_grad():
        return network.decode(codes.to(device))


def interpolation(network: EncoderDecoder, first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Images (steps, C, H, W) of codes on the straight line between those of two images.

    Args:
        network: An autoencoder.
        first: (C, H, W) as the network sees it; its reconstruction is the first.
        last: The other end.
        steps: At least 2, both ends among them.

    Raises:
        ValueError: If there are fewer than 2 steps.
    """
    if steps < 2:
        raise ValueError(f"interpolation: expected at least 2 steps, found {steps}")
    with evaluating(network), torch.no_grad():
        ends = network.encode(torch.stack([first, last]))
        share = torch.linspace(0, 1, steps, device=ends.device)
        share = share.reshape(-1, *[1] * (ends.ndim - 1))
        return network.decode(torch.lerp(ends[:1], ends[1:], share))


def quiet_share(codes: Tensor, near: float = 0.05) -> Tensor:
    """Share of the images (N, units) for which each unit is within `near` of 0."""
    return (codes.abs() <= near).float().mean(0)


def jacobian_spectrum(network: EncoderDecoder, frames: Tensor) -> Tensor:
    """Singular values of ∂code/∂inputs, the largest first, mean over images (B, C, H, W).

    What a contractive encoder makes small but for the few directions in which images vary.

    Source: Rifai et al., 2011, International Conference on Machine Learning 28, 833-840.
    """

    def code_of(values: Tensor) -> Tensor:
        return network.encode(values[None]).flatten()

    with evaluating(network):
        slopes = torch.func.vmap(torch.func.jacrev(code_of))(frames).flatten(2)
    sizes: Tensor = torch.linalg.svdvals(slopes.detach().double())
    return sizes.mean(0).float()


def checkerboard_energy(images: Tensor) -> Tensor:
    """Share of the spectral power at the Nyquist frequencies: (B, C, H, W) -> (B,).

    Power of the 2-D Fourier transform where either wave number is half the side, divided by that
    of all but the mean; the power of a pattern that alternates from pixel to pixel. White noise
    has (H + W − 1) / (H · W − 1). Of a side with an odd number of pixels the last is left out.

    Undefined: 0 of an image of one value.
    """
    height, width = (side - side % 2 for side in images.shape[-2:])
    power = torch.fft.fft2(images[..., :height, :width].double()).abs().square().sum(1)
    power[:, 0, 0] = 0
    rows, columns = power[:, height // 2].sum(1), power[:, :, width // 2].sum(1)
    nyquist = rows + columns - power[:, height // 2, width // 2]
    total = power.sum((1, 2))
    flat = total <= 1e-20 * height * width
    return torch.where(flat, 0, nyquist / torch.where(flat, 1, total)).float()

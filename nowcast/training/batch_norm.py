"""Batch normalisation of a batch that several processes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, distributed, nn


def share_batch_norms(network: nn.Module) -> nn.Module:
    """The network with a SharedBatchNorm in place of every BatchNorm2d, its weights kept."""
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            setattr(network, name, SharedBatchNorm.of(child))
        else:
            share_batch_norms(child)
    return network


class SharedBatchNorm(nn.BatchNorm2d):
    """In training, mean and variance of the samples of all processes, as if one had them all.

    PyTorch's SyncBatchNorm does the same on GPUs only.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> Self:
        """The same weights and running averages."""
        shared = cls(norm.num_features, norm.eps, norm.momentum)
        shared.load_state_dict(norm.state_dict())
        return shared

    def forward(self, frames: Tensor) -> Tensor:
        """(B, C, H, W) normalised over B, H and W of all processes."""
        if not self.training:
            return super().forward(frames)
        normalise: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Normalise.apply
        normalised, mean, variance = normalise(frames, self.weight, self.bias, self.eps)
        self._follow(mean, variance)
        return normalised

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        pace = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, pace)
        self.running_var.lerp_(variance, pace)


class _Normalise(torch.autograd.Function):
    """(frames, weight, bias, eps) -> frames normalised, and the mean and variance of all.

    PyTorch's own kernels pass over the frames; processes exchange sums by channel only.
    """

    @staticmethod
    def forward(
        context: Any, frames: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        _, mean, inverse = torch.native_batch_norm(
            frames, weight, bias, None, None, training=True, momentum=0, eps=eps
        )
        pixels = frames.numel() // mean.numel()
        mean, variance, count = _of_all(mean, inverse**-2 - eps, pixels)
        context.save_for_backward(frames, weight, mean, variance)
        context.eps, context.count = eps, count
        normalised = _apply(frames, weight, bias, mean, variance, eps)
        unbiased = variance * (count / (count - 1))
        context.mark_non_differentiable(mean, unbiased)
        return normalised, mean, unbiased

    @staticmethod
    def backward(context: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        frames, weight, mean, variance = context.saved_tensors
        straight, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, frames, weight, mean, variance, None, None, False, context.eps, [True] * 3
        )
        sums = torch.stack([by_weight, by_bias])
        distributed.all_reduce(sums)
        slope, offset = sums * (weight * (variance + context.eps).rsqrt() / context.count)
        through_moments = _apply(frames, slope, offset, mean, variance, context.eps)
        return straight - through_moments, by_weight, by_bias, None


def _apply(
    frames: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    return torch.native_batch_norm(
        frames, weight, bias, mean, variance, training=False, momentum=0, eps=eps
    )[0]


def _of_all(mean: Tensor, variance: Tensor, pixels: int) -> tuple[Tensor, Tensor, float]:
    """Mean and variance by channel over all processes, and how many pixels a channel has."""
    own = torch.cat([mean, variance, mean.new_tensor([pixels])])
    every = own.new_zeros(distributed.get_world_size(), own.numel())
    every[distributed.get_rank()] = own
    distributed.all_reduce(every)
    means, variances, counts = torch.split(every, [mean.numel(), mean.numel(), 1], dim=1)
    share = counts / counts.sum()
    mean = (share * means).sum(0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(0), float(counts.sum())

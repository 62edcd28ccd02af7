"""What is asked of codes: that few units speak, that they stay, that they follow a known law."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

LEAST = 1e-6


def l1_sparsity(code: Tensor) -> Tensor:
    """Σ |h| over the units, mean over the images (B, units)."""
    return code.float().abs().sum(1).mean()


def kl_sparsity(code: Tensor, target: float) -> Tensor:
    """Σ KL(target ‖ mean activation) over the units, each a coin of that chance.

    KL(ρ ‖ q) = ρ log(ρ/q) + (1 − ρ) log((1 − ρ)/(1 − q)). Range 0 to ∞, best 0.

    Args:
        code: (B, units), between 0 and 1; the means are those of the batch.
        target: The mean activation ρ that is wanted, above 0 and below 1.

    Source: Ng, 2011, CS294A lecture notes: Sparse autoencoder, Stanford.
    """
    mean = code.float().mean(0).clamp(LEAST, 1 - LEAST)
    on = target * (target / mean).log()
    return (on + (1 - target) * ((1 - target) / (1 - mean)).log()).sum()


def layer_contraction(layer: nn.Linear, response: nn.Module, values: Tensor) -> Tensor:
    """‖∂h/∂x‖² (Frobenius) of h = response(W x + b), exact, mean over the images.

    = Σⱼ response′(aⱼ)² ‖Wⱼ‖², for a response unit by unit.

    Args:
        layer: W and b.
        response: What stands behind it, unit by unit.
        values: (B, inputs of the layer).

    Source: Rifai et al., 2011, International Conference on Machine Learning 28, 833-840.
    """
    before = layer(values).float()
    slope: Tensor = torch.func.jvp(response, (before,), (torch.ones_like(before),))[1]
    squares = layer.weight.float().square().sum(1)
    return (slope.square() @ squares).mean()


def estimated_contraction(encode: Callable[[Tensor], Tensor], values: Tensor) -> Tensor | None:
    """‖∂h/∂x‖² (Frobenius) of any encoder, estimated without bias, mean over the images.

    E ‖vᵀ ∂h/∂x‖² = ‖∂h/∂x‖² for signs v drawn evenly; one draw for each image.

    Args:
        encode: (B, …) -> (B, units), each image by itself.
        values: (B, …).

    Undefined: None where gradients are not recorded.

    Source: Hutchinson, 1990, Communications in Statistics 19, 433-450.
    """
    if not torch.is_grad_enabled():
        return None
    values = values.detach().requires_grad_()
    code = encode(values)
    signs = torch.randint_like(code, 0, 2) * 2 - 1
    (pulled,) = torch.autograd.grad(code, values, signs, create_graph=True)
    return pulled.float().square().flatten(1).sum(1).mean()


def normal_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(0, 1)), summed over the units: (B, units) -> (B,).

    = ½ Σ (μ² + σ² − 1 − log σ²). Range 0 to ∞.
    """
    mean, log_variance = mean.float(), log_variance.float()
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2

"""Where in an image the evidence for a class lies."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.explain.layers import (
    answers_of,
    as_maps,
    evaluating,
    find_layer,
    layer_names,
    recorded,
)

AT_ONCE = 64  # covered images


def grad_cam(network: nn.Module, layer: str, frames: Tensor, label: int | Tensor) -> Tensor:
    """How much each place (B, H, W) speaks for a class: Grad-CAM.

    Channels of the layer are weighed by their mean gradient of the class's logit, summed, what
    speaks against it left out, and interpolated to the frames. At least 0, in no unit: compare
    places of one image only.

    Args:
        network: Its weights stay as they are. If it answers with maps, the class's mean counts.
        layer: One with maps or tokens of a grid, usually that of `map_layer`.
        frames: (B, C, H, W) as the network sees them.
        label: The class of all or of each frame. With a single logit 1 is for it, 0 against it.

    Raises:
        ValueError: If there is no such layer or class, or it has no bearing on the class.

    Source: Selvaraju et al., 2017, IEEE International Conference on Computer Vision, 618-626.
    """
    find_layer(network, layer)
    with evaluating(network), recorded(network, [layer]) as runs:
        output = network(_with_gradient(frames))
        score = class_logit(output, _labels(label, output)).sum()
        answers = answers_of(network, layer, runs)
        gradients = torch.autograd.grad(score, answers, allow_unused=True)
    total: Tensor | None = None
    for answer, gradient in zip(answers, gradients, strict=True):
        maps = as_maps(answer.detach())
        slopes = None if gradient is None else as_maps(gradient)
        if maps is not None and slopes is not None:
            part = (slopes.mean((-2, -1), keepdim=True) * maps).sum(1, keepdim=True)
            total = part if total is None else total + part
    if total is None:
        raise ValueError(
            f"{type(network).__name__}: expected maps that the class depends on, found none in "
            f"layer {layer!r}; map_layer finds one"
        )
    size = frames.shape[-2:]
    return F.interpolate(total.relu(), size, mode="bilinear", align_corners=False)[:, 0]


def map_layer(network: nn.Module, frames: Tensor) -> str | None:
    """The deepest layer with maps of 2 × 2 or more on which the answer to frames depends."""
    with evaluating(network), recorded(network, layer_names(network)) as runs:
        output = network(_with_gradient(frames[:1]))
        names = [name for name, answers in runs.items() if _has_grid(answers[-1])]
        if not names:
            return None
        answers = [runs[name][-1] for name in names]
        slopes = torch.autograd.grad(output.square().sum(), answers, allow_unused=True)
    for name, slope in zip(reversed(names), reversed(slopes), strict=True):
        maps = None if slope is None else as_maps(slope)
        if maps is not None and maps.any():
            return name
    return None


def _has_grid(answer: Tensor) -> bool:
    maps = as_maps(answer)
    return maps is not None and min(maps.shape[-2:]) > 1 and maps.requires_grad


def occlusion(
    network: nn.Module,
    frames: Tensor,
    label: int | Tensor,
    size: int = 8,
    stride: int = 4,
    fill: float | None = None,
) -> Tensor:
    """By how much the log-odds of a class fall, (B, H, W), when a square over a place is covered.

    Mean over all squares that cover the place; below 0 where covering helps. With a network that
    answers with maps, the fall of the class's mean.

    Args:
        network: Any.
        frames: (B, C, H, W) as the network sees them.
        label: The class of all or of each frame. With a single logit 1 is for it, 0 against it.
        size: Side of the square in pixels, at most that of the frames.
        stride: Pixels from one square to the next, at most `size`.
        fill: What covers; None: the mean of each frame's channel.

    Raises:
        ValueError: If size and stride do not fit the frames.

    Source: Zeiler and Fergus, 2014, ECCV, LNCS 8689, 818-833.
    """
    height, width = frames.shape[-2:]
    if not 1 <= stride <= size <= min(height, width):
        raise ValueError(
            f"occlusion: expected 1 <= stride <= size <= {min(height, width)}, found stride "
            f"{stride} and size {size}"
        )
    corners = list(product(_starts(height, size, stride), _starts(width, size, stride)))
    falls = frames.new_zeros((len(frames), height, width))
    covers = torch.zeros_like(falls)
    with evaluating(network), torch.no_grad():
        output = network(frames)
        labels = _labels(label, output)
        whole = log_odds(output, labels)
        share = max(AT_ONCE // len(frames), 1)
        for some in (corners[n : n + share] for n in range(0, len(corners), share)):
            covered = torch.cat([_covered(frames, corner, size, fill) for corner in some])
            left = log_odds(network(covered), labels.repeat(len(some))).view(len(some), -1)
            for corner, fall in zip(some, whole - left, strict=True):
                _square(falls, corner, size).add_(fall[:, None, None])
                _square(covers, corner, size).add_(1)
    return falls / covers


def _starts(length: int, size: int, stride: int) -> list[int]:
    return sorted({*range(0, length - size + 1, stride), length - size})


def _covered(frames: Tensor, corner: tuple[int, int], size: int, fill: float | None) -> Tensor:
    covered = frames.clone()
    square = _square(covered, corner, size)
    square.copy_(frames.mean((-2, -1), keepdim=True)) if fill is None else square.fill_(fill)
    return covered


def _square(frames: Tensor, corner: tuple[int, int], size: int) -> Tensor:
    row, column = corner
    return frames[..., row : row + size, column : column + size]


def class_logit(output: Tensor, label: Tensor) -> Tensor:
    """(B,) the logit of each sample's class; of maps (B, C, H, W) the mean of channel `label`."""
    if output.ndim == 2 and output.shape[1] == 1:
        return torch.where(label > 0, output[:, 0], -output[:, 0])
    logits = output.flatten(2).mean(2) if output.ndim > 2 else output
    return logits.gather(1, label[:, None])[:, 0]


def log_odds(output: Tensor, label: Tensor) -> Tensor:
    """(B,) log p / (1 − p) of each sample's class; of maps `class_logit`."""
    own = class_logit(output, label)
    if output.ndim > 2 or output.shape[1] == 1:
        return own
    others = output.scatter(1, label[:, None], -torch.inf)
    return own - others.logsumexp(1)


def _labels(label: int | Tensor, output: Tensor) -> Tensor:
    labels = torch.as_tensor(label, device=output.device).long().expand(len(output))
    most = 2 if output.ndim == 2 and output.shape[1] == 1 else output.shape[1]
    if labels.min() < 0 or labels.max() >= most:
        raise ValueError(f"expected classes from 0 to {most - 1}, found {labels.tolist()}")
    return labels


def _with_gradient(frames: Tensor) -> Tensor:
    return frames.detach().clone().requires_grad_()

"""The image that a channel asks for, found by gradient ascent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.explain.layers import answers_of, check_channel, evaluating, recorded, responses

STEP = 0.05
STEEPNESS = 1.5  # power of the wavelength by which a wave counts
CONTRAST = 1.5  # root mean square of the image before it is bounded: more is black and white
JITTER = 16  # the image is shifted by up to one of so many parts of its side


@dataclass(frozen=True)
class Ascent:
    """Where gradient ascent came to.

    Args:
        image: (C, H, W) as the network sees it.
        response: The channel's mean answer to it.
        path: The answer after every step, each to an image shifted a little.
    """

    image: Tensor
    response: float
    path: tuple[float, ...]


def maximise(
    network: nn.Module,
    layer: str,
    channel: int,
    shape: tuple[int, int, int],
    steps: int = 256,
    seed: int = 0,
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
) -> Ascent:
    """An image (C, H, W) to which one channel answers as strongly as can be.

    The image is sought by the amplitudes of its waves, long ones first, so that it is no noise.

    Args:
        network: Its weights stay as they are.
        layer: A name of `layer_names`; the last one's channels are the classes.
        channel: Of this layer; its mean over the map is raised.
        shape: Of the image.
        steps: Of Adam.
        seed: Of the first image and of the shifts.
        bounds: Least and greatest value of a pixel, as the network sees it; one each or (C, 1, 1).

    Raises:
        ValueError: If there is no such layer or channel.

    Source: Erhan et al., 2009, Université de Montréal, Technical Report 1341;
        Olah et al., 2017, Distill, doi:10.23915/distill.00007 (waves and shifts).
    """
    dice = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    waves = _first_waves(shape, dice).to(device).requires_grad_()
    optimiser = torch.optim.Adam([waves], lr=STEP)
    path = []
    with evaluating(network):
        for _ in range(steps):
            shifted = _shifted(_image(waves, shape, bounds), dice)
            response = _response(network, layer, channel, shifted)
            (gradient,) = torch.autograd.grad(response, waves)
            path.append(float(response.detach()))
            if not gradient.any():
                waves.data = _first_waves(shape, dice).to(device)
                continue
            waves.grad = -gradient / gradient.norm()
            optimiser.step()
        image = _image(waves, shape, bounds).detach()
        reached = float(_response(network, layer, channel, image).detach())
    return Ascent(image.cpu(), reached, tuple(path))


def _response(network: nn.Module, layer: str, channel: int, image: Tensor) -> Tensor:
    with recorded(network, [layer]) as runs:
        network(image[None])
    answers = responses(answers_of(network, layer, runs)[-1])
    check_channel(layer, channel, answers.shape[1])
    return answers[0, channel]


def _first_waves(shape: tuple[int, int, int], dice: torch.Generator) -> Tensor:
    channels, height, width = shape
    return torch.randn((channels, height, width // 2 + 1, 2), generator=dice)


def _image(
    waves: Tensor, shape: tuple[int, int, int], bounds: tuple[Tensor | float, Tensor | float]
) -> Tensor:
    """Waves weighed by their length, between the bounds."""
    height, width = shape[1:]
    down = torch.fft.fftfreq(height, device=waves.device)[:, None]
    across = torch.fft.rfftfreq(width, device=waves.device)
    number = (down**2 + across**2).sqrt().clamp(min=1 / max(height, width))
    weighed = torch.view_as_complex(waves) / number**STEEPNESS
    plain = torch.fft.irfft2(weighed, (height, width), norm="ortho")
    plain = plain * (CONTRAST / plain.square().mean().sqrt())
    low, high = (torch.as_tensor(bound, device=waves.device) for bound in bounds)
    return low + (high - low) * torch.sigmoid(plain)


def _shifted(image: Tensor, dice: torch.Generator) -> Tensor:
    sides = image.shape[-2:]
    shifts = [
        int(torch.randint(-(side // JITTER), side // JITTER + 1, (), generator=dice))
        for side in sides
    ]
    return torch.roll(image, shifts, (-2, -1))

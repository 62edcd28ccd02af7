"""The variational autoencoder: codes that follow a law from which new ones are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.models.blocks import pad_to_multiple
from nowcast.models.code_penalties import normal_kl
from nowcast.models.conv_autoencoder import make_decoder, make_encoder, maps_shape
from nowcast.models.encoder_decoder import EncoderDecoder, Response, make_glorot, make_response
from nowcast.models.layers import (
    Activation,
    check_least,
    check_side,
    make_activation,
    make_dense,
)

Body = Literal["dense", "conv"]
BODIES: tuple[Body, ...] = ("dense", "conv")


class VariationalAutoencoder(EncoderDecoder):
    """(B, inputs, size, size) -> (B, outputs, size, size) through a normal code (B, code).

    In training a code is drawn, mean + deviation · N(0, 1); in evaluation it is the mean.
    As `penalty` it asks for beta · KL(q(code | image) ‖ N(0, 1)) / D, with D numbers an image.
    The loss of a mean squared error is then, up to a constant, −ELBO · beta / D of pixels that
    are normal round the decoder's answer with variance beta / 2:

        mse + beta · KL / D  =  (beta / D) · (‖x − x̂‖² / beta + KL)
                             =  −(beta / D) · (ELBO + D/2 · log(π · beta)).

    Of a cross entropy of pixels, 0 to 1, it is −ELBO / D where beta is 1.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        size: Side of the images.
        body: "dense" layers, or "conv", convolutions that halve the grid by strides and return by
            nearest neighbours.
        widths: Units of the hidden layers, or channels of the levels, from the image to the code.
        code: Numbers of the code.
        beta: How much the code's law counts.
        activation: Behind every hidden layer.
        output: Behind the last layer: "sigmoid" gives 0 to 1, "linear" anything.

    Raises:
        ValueError: If the body is unknown, or a convolutional one has no widths.

    Source: Kingma and Welling, 2014, International Conference on Learning Representations,
        arXiv:1312.6114; beta: Higgins et al., 2017, ibid.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        body: Body = "dense",
        widths: Sequence[int] = (256, 128),
        code: int = 16,
        beta: float = 1.0,
        activation: Activation = "relu",
        output: Response = "sigmoid",
    ) -> None:
        super().__init__()
        check_least(self, size, 1)
        if body not in BODIES or (body == "conv" and not widths):
            raise ValueError(
                f"VariationalAutoencoder: expected a body of {list(BODIES)}, the latter with "
                f"widths, found {body!r} with {tuple(widths)}"
            )
        self.size, self.code, self.beta = size, code, beta
        self.multiple = 2 ** len(widths) if body == "conv" else 1
        make = _dense_body if body == "dense" else _conv_body
        self.encoder, rise = make(inputs, outputs, size, widths, code, activation)
        self.decoder = nn.Sequential(rise, make_response(output))
        make_glorot(self)

    def posterior(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the code, (B, code) each, given the images."""
        check_side(self, frames, self.size)
        mean, log_variance = self.encoder(pad_to_multiple(frames, self.multiple)).chunk(2, 1)
        return mean, log_variance

    def encode(self, frames: Tensor) -> Tensor:
        """The means of the codes (B, code)."""
        return self.posterior(frames)[0]

    def decode(self, code: Tensor) -> Tensor:
        """The images of codes."""
        images: Tensor = self.decoder(code)
        return images[..., : self.size, : self.size]

    def forward(self, frames: Tensor) -> Tensor:
        """The images of the images' codes."""
        mean, log_variance = self.posterior(frames)
        numbers = frames[0].numel()
        self.penalty = self.beta * normal_kl(mean, log_variance).mean() / numbers
        return self.decode(drawn(mean, log_variance) if self.training else mean)


def _dense_body(
    inputs: int, outputs: int, size: int, widths: Sequence[int], code: int, activation: Activation
) -> tuple[nn.Sequential, nn.Sequential]:
    """From images to two numbers for each of the code, and from codes to images."""
    shape = (outputs, size, size)
    down = make_dense(inputs * size**2, widths, 2 * code, activation, 0.0)
    rise = make_dense(code, widths[::-1], math.prod(shape), activation, 0.0)
    return nn.Sequential(nn.Flatten(), *down), nn.Sequential(*rise, nn.Unflatten(1, shape))


def _conv_body(
    inputs: int, outputs: int, size: int, widths: Sequence[int], code: int, activation: Activation
) -> tuple[nn.Sequential, nn.Sequential]:
    """The same of convolutions."""
    maps = maps_shape(size, widths)
    numbers = math.prod(maps)
    down = make_encoder(inputs, widths, 1, "stride", "batch", activation)
    rise = make_decoder(outputs, widths, 1, "stride", "nearest", "batch", activation)
    first = (nn.Linear(code, numbers), make_activation(activation), nn.Unflatten(1, maps))
    encoder = nn.Sequential(down, nn.Flatten(), nn.Linear(numbers, 2 * code))
    return encoder, nn.Sequential(*first, rise)


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Codes of normal laws, through which gradients reach mean and variance."""
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


def evidence_bound(
    network: VariationalAutoencoder, frames: Tensor, deviation: float, draws: int = 1
) -> Tensor:
    """ELBO of images: (B, C, H, W) as the network sees them -> (B,), in nats.

    E log N(x; decode(code), deviation²) − KL(q(code | x) ‖ N(0, 1)), never above log p(x); the
    mean is taken over draws of the code.

    Args:
        network: Used as it is; its batch norms should be in evaluation mode.
        frames: Without gaps.
        deviation: Of the pixels round the decoder's answer; √(beta / 2) is what training by mean
            squared error assumes.
        draws: Codes for each image.
    """
    mean, log_variance = network.posterior(frames)
    variance = deviation**2
    numbers = frames[0].numel()
    error = torch.zeros(len(frames), dtype=mean.dtype, device=mean.device)
    for _ in range(draws):
        apart = (frames - network.decode(drawn(mean, log_variance))).flatten(1)
        error += apart.square().sum(1) / draws
    known = -(error / variance + numbers * math.log(2 * math.pi * variance)) / 2
    return known - normal_kl(mean, log_variance)

"""Dense autoencoders: narrow, wide, deep, tied, sparse, contractive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.code_penalties import (
    estimated_contraction,
    kl_sparsity,
    l1_sparsity,
    layer_contraction,
)
from nowcast.models.encoder_decoder import EncoderDecoder, Response, make_glorot, make_response
from nowcast.models.layers import check_least, check_side

Sparsity = Literal["none", "l1", "kl"]
SPARSITIES: tuple[Sparsity, ...] = ("none", "l1", "kl")


class Autoencoder(EncoderDecoder):
    """(B, inputs, size, size) -> (B, outputs, size, size) through a code (B, widths[-1]).

    The decoder has the encoder's layers in reverse. First weights: Glorot's uniform, biases 0.
    As `penalty` it asks for weight · sparsity + contraction · ‖∂code/∂inputs‖², divided by the
    numbers of an image; the norm is exact for one layer, and for more estimated where gradients
    are recorded, otherwise left out.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        size: Side of the images.
        widths: Units of each layer of the encoder; the last is the code.
        activation: Behind every hidden layer but the code.
        code_activation: Behind the code; "linear" for none.
        output: Behind the last layer: "sigmoid" gives 0 to 1, "linear" anything.
        tied: Whether the decoder takes the encoder's weights, transposed, with biases of its own.
        sparsity: What keeps the code's units quiet: "l1", Σ |h|; "kl", from each unit's mean
            activation to `sparsity_target`, for a sigmoid code; or "none".
        sparsity_weight: How much that counts.
        sparsity_target: The mean activation that "kl" wants.
        contraction: How much the encoder's squared Jacobian counts.

    Raises:
        ValueError: If there are no widths, tied images have other channels out than in, or the
            sparsity is unknown or does not fit the code.

    Source: Hinton and Salakhutdinov, 2006, Science 313, 504-507.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 28,
        widths: Sequence[int] = (128, 32),
        activation: Response = "relu",
        code_activation: Response = "linear",
        output: Response = "linear",
        tied: bool = False,
        sparsity: Sparsity = "none",
        sparsity_weight: float = 0.1,
        sparsity_target: float = 0.05,
        contraction: float = 0.0,
    ) -> None:
        super().__init__()
        check_least(self, size, 1)
        if not widths:
            raise ValueError("Autoencoder: expected at least one width, found none")
        if tied and inputs != outputs:
            raise ValueError(
                f"Autoencoder: expected as many channels out as in for tied weights, found "
                f"{inputs} in and {outputs} out"
            )
        _check_sparsity(sparsity, sparsity_target, code_activation)
        self.size, self.widths, self.tied = size, tuple(widths), tied
        self.shape = (outputs, size, size)
        self.responses = (activation, code_activation, output)
        self.sparsity, self.sparsity_target = sparsity, sparsity_target
        self.sparsity_weight, self.contraction = sparsity_weight, contraction
        sides = list(pairwise((inputs * size**2, *widths)))
        layers = [nn.Linear(a, b) for a, b in sides]
        hidden = [activation] * (len(widths) - 1)
        self.encoder = _chain(layers, [*hidden, code_activation])
        ends = [outputs * size**2, *(a for a, _ in sides[1:])]
        back: list[nn.Module] = [nn.Linear(b, a) for a, (_, b) in zip(ends, sides, strict=True)]
        if tied:
            back = [Transposed(layer) for layer in layers]
        self.decoder = _chain(back[::-1], [*hidden, output])
        make_glorot(self)

    def encode(self, frames: Tensor) -> Tensor:
        """The codes (B, widths[-1])."""
        check_side(self, frames, self.size)
        return self._encode(frames.flatten(1))

    def decode(self, code: Tensor) -> Tensor:
        """The images of codes."""
        images: Tensor = self.decoder(code)
        return images.reshape(len(code), *self.shape)

    def forward(self, frames: Tensor) -> Tensor:
        """The images of the images' codes."""
        code = self.encode(frames)
        self.penalty = self._penalise(frames.flatten(1), code)
        return self.decode(code)

    def _encode(self, values: Tensor) -> Tensor:
        code: Tensor = self.encoder(values)
        return code

    def _penalise(self, values: Tensor, code: Tensor) -> Tensor | None:
        parts: list[Tensor | None] = []
        if self.sparsity == "l1":
            parts.append(self.sparsity_weight * l1_sparsity(code))
        elif self.sparsity == "kl":
            parts.append(self.sparsity_weight * kl_sparsity(code, self.sparsity_target))
        if self.contraction:
            norm = self._squared_jacobian(values)
            parts.append(None if norm is None else self.contraction * norm)
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum() / values.shape[1] if known else None

    def _squared_jacobian(self, values: Tensor) -> Tensor | None:
        layer, response = self.encoder[0], self.encoder[1]
        if len(self.widths) == 1 and isinstance(layer, nn.Linear):
            return layer_contraction(layer, response, values)
        return estimated_contraction(self._encode, values)

    def layer_options(self, layer: int) -> dict[str, object]:
        """Options of an autoencoder of one layer, for what the layers before it answer.

        Those answers are images of one pixel, a channel for each unit. Penalties are left out.
        """
        activation, code, output = self.responses
        return {
            "size": 1 if layer else self.size,
            "widths": self.widths[layer : layer + 1],
            "code_activation": code if layer == len(self.widths) - 1 else activation,
            "output": activation if layer else output,
            "tied": self.tied,
        }

    def take_layer(self, layer: int, trained: Autoencoder) -> None:
        """Take a layer's weights, to the code and back, from an autoencoder of its options."""
        self.encoder[2 * layer].load_state_dict(trained.encoder[0].state_dict())
        back = self.decoder[len(self.decoder) - 2 - 2 * layer]
        back.load_state_dict(trained.decoder[0].state_dict())


class Transposed(nn.Module):
    """Wᵀ x + b of another dense layer's W; only b is its own, 0 at first."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(layer.in_features))
        self._layer = (layer,)

    def forward(self, values: Tensor) -> Tensor:
        """(B, units of the layer) -> (B, its inputs)."""
        return F.linear(values, self._layer[0].weight.T, self.bias)


def _chain(layers: Sequence[nn.Module], responses: Sequence[Response]) -> nn.Sequential:
    """Layers and their responses in turn."""
    pairs = zip(layers, responses, strict=True)
    return nn.Sequential(*(part for a, b in pairs for part in (a, make_response(b))))


def _check_sparsity(sparsity: Sparsity, target: float, code: Response) -> None:
    if sparsity not in SPARSITIES:
        raise ValueError(f"no sparsity {sparsity!r}; there are {list(SPARSITIES)}")
    if sparsity == "kl" and code != "sigmoid":
        raise ValueError(
            "Autoencoder: expected code_activation 'sigmoid' for sparsity 'kl', which counts "
            f"activations from 0 to 1, found {code!r}"
        )
    if not 0 < target < 1:
        raise ValueError(f"Autoencoder: expected 0 < sparsity_target < 1, found {target}")

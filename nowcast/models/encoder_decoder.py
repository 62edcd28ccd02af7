"""Networks that pass images through a code."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from nowcast.models.layers import Activation, make_activation

Response = Activation | Literal["linear"]


class EncoderDecoder(nn.Module):
    """forward = decode(encode(frames)); (B, inputs, H, W) -> (B, outputs, H, W).

    After every forward `penalty` holds what the network asks for besides small errors: a scalar,
    the mean over the images, divided by the numbers of an image so that it stands beside a mean
    over pixels; None where it asks for nothing or cannot tell.
    """

    penalty: Tensor | None = None

    def encode(self, frames: Tensor) -> Tensor:
        """The codes of images."""
        raise NotImplementedError

    def decode(self, code: Tensor) -> Tensor:
        """The images of codes."""
        raise NotImplementedError

    def forward(self, frames: Tensor) -> Tensor:
        """The images of the images' codes."""
        return self.decode(self.encode(frames))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "penalty": None}


def make_response(response: Response) -> nn.Module:
    """A fresh activation, or none where it is called "linear".

    Raises:
        ValueError: If there is no such activation.
    """
    return nn.Identity() if response == "linear" else make_activation(response)


def make_glorot(network: nn.Module) -> None:
    """Give dense layers Glorot's uniform weights, and biases 0.

    Source: Glorot and Bengio, 2010, Proceedings of Machine Learning Research 9, 249-256.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

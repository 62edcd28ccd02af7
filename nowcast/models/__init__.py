"""Networks that map (B, inputs, H, W) to what a task asks; MODELS is their table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn

from nowcast.models.convlstm import ConvLSTM
from nowcast.models.convnet import ConvNet
from nowcast.models.unet import UNet

__all__ = ["MODELS", "ConvLSTM", "ConvNet", "UNet", "build_network", "check_options"]

MODELS: dict[str, type[nn.Module]] = {"unet": UNet, "convlstm": ConvLSTM, "convnet": ConvNet}


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Refuse a network that is not in the table, and options that it does not have.

    Raises:
        ValueError: With the names that there are.
    """
    if name not in MODELS:
        raise ValueError(f"no network {name!r}; the table holds {sorted(MODELS)}")
    known = set(inspect.signature(MODELS[name]).parameters) - {"inputs", "outputs"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"network {name!r} has no option {unknown[0]!r}; it has {sorted(known)}")


def build_network(
    name: str, inputs: int, outputs: int, options: Mapping[str, object] | None = None
) -> nn.Module:
    """A fresh network of the table, its weights drawn from torch's generator.

    Raises:
        ValueError: If the network or one of the options is unknown.
    """
    check_options(name, options or {})
    return MODELS[name](inputs, outputs, **(options or {}))

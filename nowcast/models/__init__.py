"""Networks that map (B, inputs, H, W) to what a task asks; MODELS is their table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn

from nowcast.models.alexnet import AlexNet
from nowcast.models.autoencoder import Autoencoder
from nowcast.models.cnn import CNN, SmallVGG
from nowcast.models.conv_autoencoder import ConvAutoencoder
from nowcast.models.convlstm import ConvLSTM
from nowcast.models.convnet import ConvNet
from nowcast.models.efficientnet import EfficientNet
from nowcast.models.encoder_decoder import EncoderDecoder
from nowcast.models.fcn import FCN
from nowcast.models.googlenet import GoogLeNet
from nowcast.models.lenet import LeNet
from nowcast.models.mlp import MLP
from nowcast.models.pretrained import load_pretrained
from nowcast.models.resnet import CifarResNet, ResNet
from nowcast.models.sliding_window import SlidingWindow
from nowcast.models.unet import UNet
from nowcast.models.vae import VariationalAutoencoder
from nowcast.models.vgg import VGG
from nowcast.models.vit import VIT_B16, VIT_TINY, ViT
from nowcast.models.wide_resnet import WideResNet

__all__ = [
    "CNN",
    "FCN",
    "MLP",
    "MODELS",
    "VGG",
    "VIT_B16",
    "VIT_TINY",
    "AlexNet",
    "Autoencoder",
    "CifarResNet",
    "ConvAutoencoder",
    "ConvLSTM",
    "ConvNet",
    "EfficientNet",
    "EncoderDecoder",
    "GoogLeNet",
    "LeNet",
    "ResNet",
    "SlidingWindow",
    "SmallVGG",
    "UNet",
    "VariationalAutoencoder",
    "ViT",
    "WideResNet",
    "build_network",
    "check_options",
    "load_pretrained",
]

MODELS: dict[str, type[nn.Module]] = {
    "unet": UNet,
    "fcn": FCN,
    "window": SlidingWindow,
    "convlstm": ConvLSTM,
    "convnet": ConvNet,
    "mlp": MLP,
    "lenet": LeNet,
    "cnn": CNN,
    "vgg-small": SmallVGG,
    "alexnet": AlexNet,
    "vgg": VGG,
    "googlenet": GoogLeNet,
    "resnet": ResNet,
    "resnet-cifar": CifarResNet,
    "resnet-wide": WideResNet,
    "efficientnet-b0": EfficientNet,
    "vit": ViT,
    "autoencoder": Autoencoder,
    "autoencoder-conv": ConvAutoencoder,
    "vae": VariationalAutoencoder,
}


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

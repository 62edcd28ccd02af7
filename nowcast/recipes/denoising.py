"""Recipes of autoencoders and of networks that remove noise."""

from __future__ import annotations

from dataclasses import replace

from nowcast.recipes.recipe import Recipe
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask

GAUSSIAN = {"kind": "gaussian", "level": 0.3}

_DENSE = Recipe(
    name="ae-dense",
    task=DenoiseTask(scaling=MinMax(0, 255)),
    network="autoencoder",
    network_options={"size": 28, "widths": (256, 32)},
    batch_size=128,
    crop=28,
    epochs=15,
    optimiser="adam",
    learning_rate=2e-3,
    weight_decay=0.0,
    warmup=100,
    ema=0.0,
    augment=False,
)
_SIGMOID = {"size": 28, "code_activation": "sigmoid", "output": "sigmoid"}
_STACK = {"widths": (512, 256, 128, 64, 32), "activation": "sigmoid", "output": "sigmoid"}


def _dense(name: str, **options: object) -> Recipe:
    return replace(_DENSE, name=f"ae-{name}", network_options={"size": 28, **options})


_AUTOENCODERS = (
    _DENSE,
    replace(_dense("complete", widths=(784,)), epochs=6),
    replace(_dense("overcomplete", widths=(1568,)), epochs=6),
    replace(_dense("stacked", **_STACK), greedy_epochs=2, epochs=10, learning_rate=1e-3),
    replace(_dense("deep", **_STACK), epochs=20, learning_rate=1e-3),
    _dense("tied", widths=(256, 32), tied=True),
    replace(_DENSE, name="ae-plain", network_options={**_SIGMOID, "widths": (400,)}),
    replace(
        _DENSE,
        name="ae-sparse",
        network_options={**_SIGMOID, "widths": (400,), "sparsity": "kl", "sparsity_weight": 0.3},
    ),
    replace(
        _DENSE,
        name="ae-contractive",
        network_options={**_SIGMOID, "widths": (400,), "contraction": 0.1},
    ),
    replace(
        _dense("denoising", widths=(1568,), code_activation="relu", output="sigmoid"),
        epochs=6,
        noise=GAUSSIAN,
    ),
    replace(
        _DENSE,
        name="ae-conv",
        network="autoencoder-conv",
        network_options={"size": 28, "widths": (16, 32), "code": 32},
        epochs=6,
    ),
    replace(
        _DENSE,
        name="vae",
        network="vae",
        network_options={"size": 28, "widths": (256, 128), "code": 16, "beta": 0.3},
    ),
)

_UNET = replace(
    _DENSE,
    name="denoise-unet",
    network="unet",
    network_options={"widths": (24, 48, 96), "residual": True, "zero_output": True},
    batch_size=64,
    epochs=8,
    ema=0.995,
    noise=GAUSSIAN,
)
_DENOISERS = (
    replace(
        _UNET,
        name="denoise-conv",
        network="autoencoder-conv",
        network_options={
            "widths": (64,),
            "code": None,
            "depth": 4,
            "down": "stride",
            "up": "transposed",
        },
        epochs=6,
    ),
    _UNET,
    replace(_UNET, name="denoise-unet-range", noise={**GAUSSIAN, "level": (0.05, 0.5)}),
)

DENOISING = (*_AUTOENCODERS, *_DENOISERS)

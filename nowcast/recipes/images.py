"""Recipes of the image benchmarks; a run on other data takes `for_images` first."""

from __future__ import annotations

from dataclasses import replace

from nowcast.recipes.recipe import Recipe
from nowcast.scaling import MeanDeviation, MinMax, ZScore
from nowcast.tasks import ClassifyTask

_FASHION = ZScore(72.9, 90.0)
_DIGITS = ZScore(33.3, 78.6)
_CIFAR = MeanDeviation((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
_IMAGENET = MeanDeviation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

_PLAIN = Recipe(
    name="vgg-small",
    task=ClassifyTask(scaling=MinMax(0, 255)),
    network="vgg-small",
    network_options={"size": 28},
    batch_size=32,
    crop=28,
    epochs=20,
    optimiser="adagrad",
    learning_rate=0.01,
    weight_decay=0.0,
    schedule="constant",
    warmup=0,
    clip=None,
    ema=0.0,
    augment=False,
)
_SIMPLE = replace(
    _PLAIN,
    task=ClassifyTask(scaling=_FASHION),
    batch_size=128,
    epochs=10,
    optimiser="adam",
    learning_rate=2e-3,
    schedule="cosine",
)
_COURSE = (
    _PLAIN,
    replace(_SIMPLE, name="mlp", network="mlp"),
    replace(_SIMPLE, name="lenet", network="lenet"),
    replace(_SIMPLE, name="cnn", network="cnn"),
)

_ALEXNET_OPTIONS = {"first": (3, 1, 1), "pool": 3, "hidden": (1024, 1024)}
_ALEXNET = replace(
    _SIMPLE,
    name="alexnet",
    network="alexnet",
    network_options=_ALEXNET_OPTIONS,
    learning_rate=5e-4,
    warmup=400,
    clip=1.0,
)
_LEFT_OUT = {"fewer-conv": (3, 4), "fewer-dense": (6, 7), "fewer-both": (3, 4, 6, 7)}
_ABLATIONS = (
    _ALEXNET,
    *(
        replace(
            _ALEXNET,
            name=f"alexnet-{name}",
            network_options={**_ALEXNET_OPTIONS, "without": without},
        )
        for name, without in _LEFT_OUT.items()
    ),
)

_STRONG = replace(
    _SIMPLE,
    name="fashion-strong",
    task=ClassifyTask(scaling=_FASHION, label_smoothing=0.1),
    network="resnet",
    network_options={"depth": 18, "width": 16, "stem": "small"},
    epochs=22,
    optimiser="sgd",
    momentum=0.9,
    nesterov=True,
    learning_rate=0.2,
    warmup=600,
    weight_decay=5e-4,
    clip=2.0,
    ema=0.998,
    best_by="accuracy",
    augmentation={"flip": True, "crop_padding": 2, "cutout": 6},
)
_STRONG_DIGITS = replace(
    _STRONG,
    name="mnist-strong",
    task=ClassifyTask(scaling=_DIGITS, label_smoothing=0.05),
    network="convnet",
    network_options={"widths": (24, 48, 96), "norm": "batch"},
    epochs=8,
    augmentation={"crop_padding": 2, "rotate": 12.0, "zoom": 0.1},
)

_DEPTH = replace(
    _STRONG,
    task=ClassifyTask(channels=3, scaling=_CIFAR, label_smoothing=0.1),
    crop=32,
    epochs=10,
    learning_rate=0.1,
    clip=1.0,
    augmentation={"flip": True, "crop_padding": 4},
)
_DEPTHS = (
    *(
        replace(
            _DEPTH,
            name=f"vgg-{depth}",
            network="vgg",
            network_options={"depth": depth, "norm": "batch", "pool": 1, "hidden": (512, 512)},
        )
        for depth in (16, 19)
    ),
    *(
        replace(
            _DEPTH,
            name=f"{'plain' if plain else 'resnet'}-{depth}",
            network="resnet",
            network_options={"depth": depth, "plain": plain},
        )
        for plain in (False, True)
        for depth in (18, 34)
    ),
)

_CATS = replace(
    _DEPTH,
    name="cats-small",
    task=ClassifyTask(2, 3, _IMAGENET, label_smoothing=0.1),
    network="convnet",
    network_options={"widths": (16, 32, 64, 128), "norm": "batch"},
    batch_size=20,
    crop=64,
    epochs=240,
    best_by="last",
    optimiser="adamw",
    momentum=0.0,
    nesterov=False,
    learning_rate=2e-3,
    warmup=50,
    weight_decay=0.05,
    ema=0.98,
    augmentation={"flip": True, "crop_padding": 8, "rotate": 15.0, "zoom": 0.2, "colour": 0.2},
)
_TRANSFER = replace(
    _CATS,
    name="cats-transfer",
    task=ClassifyTask(2, 3, _IMAGENET, error="binary_cross_entropy"),
    network="vgg",
    network_options={"depth": 16, "pool": 1, "hidden": (128,)},
    crop=224,
    epochs=10,
    best_by="loss",
    learning_rate=1e-3,
    warmup=10,
    weight_decay=1e-4,
    ema=0.0,
    freeze=("features",),
    augmentation={"flip": True},
)

IMAGES = (*_COURSE, *_ABLATIONS, _STRONG, _STRONG_DIGITS, *_DEPTHS, _CATS, _TRANSFER)

"""Recipes that name pixels; a run on other data takes `for_images` first."""

from __future__ import annotations

from dataclasses import replace

from nowcast.recipes.recipe import Recipe
from nowcast.scaling import MeanDeviation, MinMax, ZScore
from nowcast.tasks import SegmentTask

_TISSUE = ZScore(125.0, 43.5)
_EYES = MeanDeviation((163.8, 59.7, 10.3), (58.8, 27.7, 9.8))
_BORDERS = {"border": 10.0, "sigma": 5.0}

_PAPER = Recipe(
    name="unet-paper",
    task=SegmentTask(2, 1, _TISSUE),
    network="unet",
    network_options={
        "widths": (64, 128, 256, 512, 1024),
        "norm": "none",
        "upsampling": "transposed",
        "padding": False,
        "dropout": 0.5,
    },
    batch_size=1,
    crop=572,
    steps=20_000,
    optimiser="sgd",
    momentum=0.99,
    learning_rate=1e-3,
    schedule="constant",
    warmup=500,
    weight_decay=0.0,
    clip=1.0,
    ema=0.0,
    augment=False,
    augmentation={"elastic": 10.0, "grid": 3, "brightness": 0.1, "contrast": 0.2},
    pixel_weights={**_BORDERS, "balance": True},
)

_EM = replace(
    _PAPER,
    name="unet-em",
    network_options={"widths": (32, 64, 128, 256), "norm": "batch", "shuffle": 2},
    batch_size=4,
    crop=256,
    steps=5000,
    optimiser="adamw",
    momentum=0.0,
    learning_rate=2e-3,
    schedule="cosine",
    warmup=100,
    weight_decay=0.01,
    ema=0.99,
    pixel_weights={},
)
_NUCLEI = replace(
    _EM,
    name="unet-nuclei",
    task=SegmentTask(2, 1, MinMax(0, 255)),
    network_options={"widths": (16, 32, 64, 128, 256), "norm": "batch"},
    steps=3500,
    augmentation={
        "elastic": 8.0,
        "zoom": 0.25,
        "rotate": 45.0,
        "brightness": 0.1,
        "contrast": 0.3,
        "gamma": 0.3,
    },
    pixel_weights={**_BORDERS, "balance": False},
)
_VESSELS = replace(
    _NUCLEI,
    name="unet-vessels",
    task=SegmentTask(2, 3, _EYES),
    crop=160,
    steps=6000,
    learning_rate=3e-3,
    validate_every=500,
    augmentation={"elastic": 8.0, "zoom": 0.2, "rotate": 45.0, "contrast": 0.15, "gamma": 0.15},
    pixel_weights={},
)
_FCN = replace(
    _NUCLEI,
    name="fcn-8",
    network="fcn",
    network_options={
        "norm": "batch",
        "widths": (16, 32, 64, 128, 128),
        "pool": 3,
        "hidden": (256, 256),
    },
    steps=6000,
    pixel_weights={},
)
_WINDOW = replace(
    _EM,
    name="window",
    network="window",
    network_options={"side": 65, "width": 24, "padding": False},
    batch_size=64,
    crop=65,
    steps=16_000,
    learning_rate=1e-3,
    validate_every=1000,
    augmentation={"elastic": 0.0, "brightness": 0.1, "contrast": 0.2},
)

SEGMENTATION = (
    _PAPER,
    _EM,
    _NUCLEI,
    replace(_NUCLEI, name="unet-nuclei-plain", pixel_weights={}),
    replace(
        _NUCLEI,
        name="unet-nuclei-border",
        task=SegmentTask(3, 1, MinMax(0, 255), error="dice_cross_entropy"),
        pixel_weights={},
    ),
    _VESSELS,
    _FCN,
    _WINDOW,
)

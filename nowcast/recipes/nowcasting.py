"""Recipes of the nowcasting networks."""

from __future__ import annotations

from dataclasses import replace

from nowcast.recipes.recipe import Recipe
from nowcast.tasks import NowcastTask

_UNET = Recipe(
    name="unet",
    task=NowcastTask(),
    network="unet",
    network_options={
        "widths": (40, 72, 128, 160),
        "norm": "batch",
        "shuffle": 2,
        "zero_output": True,
    },
)
_CONVLSTM = replace(
    _UNET,
    name="convlstm",
    network="convlstm",
    network_options={
        "frames": 3,
        "widths": (32, 64, 96),
        "norm": "batch",
        "shuffle": 2,
        "zero_output": True,
    },
    steps=2000,
)
_UNET_DEMO = replace(
    _UNET,
    name="unet-demo",
    crop=96,
    steps=500,
    learning_rate=2e-3,
    warmup=30,
    ema=0.98,
    validate_every=125,
)
_CONVLSTM_DEMO = replace(
    _UNET_DEMO,
    name="convlstm-demo",
    network="convlstm",
    network_options={**_CONVLSTM.network_options, "widths": (64, 96), "shuffle": 4},
    steps=260,
    validate_every=65,
)

NOWCASTING = (_UNET, _CONVLSTM, _UNET_DEMO, _CONVLSTM_DEMO)

"""Recipes of networks that clean radar frames."""

from __future__ import annotations

from nowcast.recipes.recipe import Recipe
from nowcast.scaling import Clip
from nowcast.tasks import SegmentTask

CLEANING = (
    Recipe(
        name="radar-cleaner",
        # rain below clutter is rare among echoes, and what is left of clutter is mostly that
        task=SegmentTask(classes=3, scaling=Clip(-10.0, 60.0, 30.0), class_weights=(1.0, 1.0, 4.0)),
        network="unet",
        network_options={"widths": (24, 40, 64), "norm": "batch", "shuffle": 2},
        batch_size=16,
        crop=96,
        steps=1500,
        learning_rate=3e-3,
        warmup=40,
        ema=0.98,
        validate_every=100,
        precision="32-true",
        noise={"kind": "radar", "level": (0.1, 1.0)},
    ),
)

"""Where and in which precision a recipe is computed."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from lightning_fabric import Fabric

from nowcast.recipes import Recipe

CPU_INFO = Path("/proc/cpuinfo")


def make_fabric(recipe: Recipe, accelerator: str = "auto") -> Fabric:
    """Fabric on one device for the recipe, its "auto" precision decided by that device.

    Numbers below the normal range count as 0 from here on: they slow processors down manyfold.
    """
    torch.set_flush_denormal(True)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16-mixed" if prefers_bfloat16(accelerator) else "32-true"
    return Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]


def prefers_bfloat16(accelerator: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware, where it is about twice as fast."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "auto" and torch.backends.mps.is_available():
        return False
    try:
        flags = CPU_INFO.read_text(encoding="utf-8").split("flags", 2)[1].split()
    except (OSError, IndexError):
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)

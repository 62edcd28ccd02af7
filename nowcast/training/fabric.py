"""Where and in which precision a recipe is computed."""

from __future__ import annotations

import atexit
import logging
import os
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import distributed

from nowcast.recipes import Recipe

CPU_INFO = Path("/proc/cpuinfo")


def make_fabric(recipe: Recipe, accelerator: str = "auto") -> Fabric:
    """Fabric on one device for the recipe, its "auto" precision decided by that device.

    Under `torchrun` on a device for each of its processes, which then share every batch.
    Numbers below the normal range count as 0 from here on: they slow processors down manyfold.

    Raises:
        ValueError: If `torchrun` started more processes here than there are GPUs.
    """
    torch.set_flush_denormal(True)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16-mixed" if prefers_bfloat16(accelerator) else "32-true"
    if TorchElasticEnvironment.detect():
        return _shared_fabric(accelerator, precision)
    return Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]


def _shared_fabric(accelerator: str, precision: str) -> Fabric:
    processes, nodes = (int(os.environ[f"{name}_WORLD_SIZE"]) for name in ("LOCAL", "GROUP"))
    on_gpus = accelerator != "cpu" and torch.cuda.is_available()
    if on_gpus and torch.cuda.device_count() < processes:
        raise ValueError(
            f"torchrun: expected at most a process a GPU, found {processes} processes and "
            f"{torch.cuda.device_count()} GPUs; take a smaller --nproc-per-node, or set "
            "CUDA_VISIBLE_DEVICES to nothing to train on processors"
        )
    fabric = Fabric(
        accelerator="cuda" if on_gpus else "cpu",
        devices=processes,
        num_nodes=nodes,
        strategy="ddp",
        precision=precision,  # type: ignore[arg-type]
    )
    if not distributed.is_initialized():
        atexit.register(_leave)
    fabric.launch()
    return fabric


def _leave() -> None:
    """Take leave of the other processes: one that just ends may abort."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


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

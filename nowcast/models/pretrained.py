"""Weights that were trained elsewhere, e.g. torchvision's files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from nowcast.models.vit import ViT

SHOWN = 3


def load_pretrained(
    network: nn.Module, path: Path, *, head: Literal["replace", "keep"] = "replace"
) -> list[str]:
    """Give a network the weights of a file, whole or not at all.

    Counters of batch norms that the file lacks stay, and heads of it that the network has no use
    for are passed over.

    Args:
        network: One of the table.
        path: A state dict, of safetensors or of torch.save.
        head: "replace" leaves the last layer as it is, for other classes than the file's, and all
            dense layers of a network that has not the published ones; "keep" takes all from the
            file.

    Returns:
        Names of the weights that the network did not take from the file.

    Raises:
        ValueError: If the file holds no weights, or other names or shapes than the network.
    """
    if head not in ("replace", "keep"):
        raise ValueError(f"no head {head!r}; there are ['replace', 'keep']")
    found = read_weights(path)
    if isinstance(network, ViT):
        found = network.adapted(found)
    last = f"{head_name(network)}." if head == "replace" else ()
    unused = tuple(getattr(network, "unused", ()))
    own = network.state_dict()
    wanted = {name: weight for name, weight in own.items() if not name.startswith(last)}
    given = {name: weight for name, weight in found.items() if not name.startswith(last)}
    given = {name: weight for name, weight in given.items() if not name.startswith(unused)}
    faults = list_faults(wanted, given)
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ValueError(
            f"{path}: expected weights of {type(network).__name__}, found {len(faults)} that do "
            f"not fit: {'; '.join(faults[:SHOWN])}{more}; take the options of the file's network"
        )
    network.load_state_dict({**own, **given})
    return [name for name in own if name not in given]


def head_name(network: nn.Module) -> str:
    """The part of a network that "replace" leaves as it is: its last layer, or all dense ones."""
    head = getattr(network, "head", "head")
    return head if isinstance(head, str) else "head"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a file by name, on the CPU.

    Raises:
        ValueError: If it holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: expected weights by name, found none ({reason})") from error
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise ValueError(f"{path}: expected weights by name, found other objects")
    return weights


def list_faults(wanted: dict[str, Tensor], given: dict[str, Tensor]) -> list[str]:
    """What keeps the given weights from being the wanted ones, a phrase each."""
    faults = []
    for name, weight in wanted.items():
        if name not in given:
            if not name.endswith("num_batches_tracked"):
                faults.append(f"{name} is missing")
        elif given[name].shape != weight.shape:
            faults.append(f"{name} is {tuple(given[name].shape)}, not {tuple(weight.shape)}")
    return faults + [f"{name} is unknown" for name in given if name not in wanted]

"""What a run leaves behind: trained weights, and the state from which it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nowcast.recipes import Recipe
from nowcast.tasks import Task

METADATA = "nowcast"
FORMAT = "nowcast checkpoint 1"
STATE_FORMAT = "nowcast state 1"

UNKNOWN = "unknown"

Provenance = Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A trained network, ready to be applied.

    Args:
        network: In evaluation mode, on the CPU.
        recipe: By which it was trained.
        step: After how many steps.
        scores: Of the validation samples: sums of the task.
        fingerprint: The first 16 hexadecimal digits of the file's SHA-256.
        code_version: Of the program that trained it.
        provenance: What it was trained on, as `fit` was told; empty where it was not.
    """

    network: nn.Module
    recipe: Recipe
    step: int
    scores: dict[str, float]
    fingerprint: str
    code_version: str
    provenance: Provenance = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """What the network was trained for."""
        return self.recipe.task


def save_checkpoint(
    path: Path,
    network: nn.Module,
    recipe: Recipe,
    step: int,
    scores: Mapping[str, float],
    provenance: Provenance | None = None,
) -> None:
    """Write the weights and how they came to be, whole or not at all."""
    weights = {
        key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
    }
    about = {
        "format": FORMAT,
        "recipe": json.loads(recipe.to_json()),
        "step": step,
        "scores": dict(scores),
        "code_version": code_version(),
        "provenance": dict(provenance or {}),
    }
    partial = path.with_name(path.name + ".partial")
    # safetensors writes several entries in any order: one keeps equal files equal
    save_file(weights, partial, metadata={METADATA: json.dumps(about)})
    _put(partial, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """The network that `save_checkpoint` wrote, with all that is needed to apply it.

    Raises:
        ValueError: If the file is no checkpoint, of another format, or does not fit its recipe.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint; train one, or name a forecaster")
    about, weights = _read(path)
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{path}: expected format {FORMAT!r}, found {about.get('format')!r}; "
            "train again with this version"
        )
    try:
        recipe = Recipe.from_json(json.dumps(about["recipe"]))
        with torch.random.fork_rng(devices=[]):
            network = recipe.build_network()
        network.load_state_dict(weights)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: its weights do not fit its recipe: {reason}") from error
    network.eval().requires_grad_(requires_grad=False)
    step, scores, code = about["step"], about["scores"], about["code_version"]
    provenance = about.get("provenance", {})
    return Checkpoint(network, recipe, step, scores, fingerprint(path), code, provenance)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return about, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a checkpoint in safetensors, found none ({error})"
        ) from error


def save_state(
    path: Path, recipe: Recipe, state: Mapping[str, Any], provenance: Provenance | None = None
) -> None:
    """Write what a run needs to go on, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    about = {"format": STATE_FORMAT, "recipe": recipe.to_json(), "data": _data(provenance)}
    torch.save({**about, **state}, partial)
    _put(partial, path)


def load_state(path: Path, recipe: Recipe, provenance: Provenance | None = None) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU.

    Raises:
        ValueError: If the file is no such state, or was written by another recipe or on data of
            another fingerprint.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("format")
    except (RuntimeError, OSError, EOFError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: expected the state of a run, found none ({error})") from error
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: expected the state of a run, found other objects") from error
    if found != STATE_FORMAT:
        raise ValueError(f"{path}: expected format {STATE_FORMAT!r}, found {found!r}")
    other = Recipe.from_json(state.pop("recipe"))
    if other != recipe:
        raise ValueError(
            f"{path}: expected a run of recipe {recipe.name!r}, found one of {other.name!r} with "
            f"other {_differences(recipe, other)}; resume with that recipe or take another folder"
        )
    data = state.pop("data", UNKNOWN)
    if data != _data(provenance):
        raise ValueError(
            f"{path}: expected a run on data of fingerprint {_data(provenance)}, found {data}: "
            "they changed since it began; take another folder, or remove this one to train anew"
        )
    return state


def _data(provenance: Provenance | None) -> str:
    return str((provenance or {}).get("fingerprint", UNKNOWN))


def _differences(recipe: Recipe, other: Recipe) -> str:
    here, there = json.loads(recipe.to_json()), json.loads(other.to_json())
    return ", ".join(sorted(key for key in here if here[key] != there.get(key)))


def fingerprint(path: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code_version() -> str:
    """The version of the installed program."""
    try:
        return version("radar-nowcast")
    except PackageNotFoundError:
        return "unknown"


def _put(partial: Path, path: Path) -> None:
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)

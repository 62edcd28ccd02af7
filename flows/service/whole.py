"""JSON that is there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel


def write_whole(path: Path, told: BaseModel) -> None:
    """Put a file in place of the one before in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(told.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

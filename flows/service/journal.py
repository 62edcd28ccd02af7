"""Lines of JSON: what happened, one line each, added at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def note(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line; it is there whole, or not at all, for whoever reads at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, allow_nan=False, default=str) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def records(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """What the lines of some files say; a line that a crash cut is left out."""
    for path in paths:
        if not path.is_file():
            continue
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    continue


def newest_days(folder: Path, count: int) -> list[Path]:
    """The last files of a folder of one file a day, in their order."""
    return sorted(folder.glob("*.jsonl"))[-count:]

"""Which program counted: its version and what its files say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import flows
import nowcast
import pipeline
from nowcast.checkpoint import code_version

DECIDES = {
    nowcast: ("**/*.py",),
    pipeline: ("**/*.py",),
    flows: ("forecasting.py", "verification.py", "entrants.py", "counting.py", "parts.py"),
}
LEFT_OUT = tuple(Path(nowcast.__path__[0], name) for name in ("report", "training"))


@cache
def program() -> str:
    """Changes when forecasts or sums may: the version, and a hash of the source files."""
    folders = [
        (Path(package.__path__[0]), files) for package, every in DECIDES.items() for files in every
    ]
    held = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path
        for folder, files in folders
        for path in folder.glob(files)
        if not {*LEFT_OUT} & {*path.parents}
    }
    return f"{code_version()} {hash_of(held.items())}"


def hash_of(files: Iterable[tuple[str, Path]]) -> str:
    """The first 32 hexadecimal digits of a SHA-256 of names and contents."""
    digest = hashlib.sha256()
    for name, path in sorted(files):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()[:32]

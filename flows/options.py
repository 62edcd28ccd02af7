"""Options and arguments that mean the same for every subcommand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
StoreAddress = Annotated[
    str,
    typer.Argument(
        help="The store: a folder, s3://BUCKET/PREFIX or icechunk:PATH.", metavar="STORE"
    ),
]


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named; a zarr archive counts as one file.

    Raises:
        ValueError: If there is none.
    """
    from pipeline.readers import is_archive

    files = [
        file
        for path in paths
        for file in (_inside(path) if path.is_dir() and not is_archive(path) else [path])
    ]
    if not files:
        raise ValueError(
            f"{', '.join(map(str, paths)) or 'files'}: expected radar files, found none"
        )
    return files


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())

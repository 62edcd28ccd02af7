"""The whole way in one command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.options import files_in


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Radar files of one product; without them, synthetic storms."),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
) -> None:
    """The whole way, from radar files to the report: ingest, train, forecast, verify."""
    _quieten_prefect()
    from flows.demo import run_demo

    run_demo(out, files_in([*(data or []), *(more or [])]) if data else [])


def _quieten_prefect() -> None:
    """Prefect reads these when it is imported; a user's own settings win."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

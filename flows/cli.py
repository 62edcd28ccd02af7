"""The command `nowcast`."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from flows import terminal
from flows.commands.archive import check, compact, export, info, ingest
from flows.commands.demonstration import demo
from flows.commands.forecasts import forecast, merge, tensors, train, verify
from flows.commands.images import classify, denoise
from flows.commands.lineage import lineage
from flows.commands.segmentation import segment
from flows.commands.service import serve, trigger
from flows.commands.sources import catalog, fetch
from flows.commands.status import status

COMMANDS = (
    demo,
    catalog,
    fetch,
    ingest,
    info,
    check,
    compact,
    export,
    tensors,
    train,
    forecast,
    verify,
    merge,
    lineage,
    classify,
    denoise,
    segment,
    serve,
    status,
    trigger,
)

app = typer.Typer(
    name="nowcast",
    help="From raw radar scans to verified forecasts of the next hour of rain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; a mistake of the user's ends in one sentence and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        terminal.complain(f"nowcast: {error}")
        sys.exit(2)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    terminal.complain(f"nowcast: {message}")


if __name__ == "__main__":
    main()

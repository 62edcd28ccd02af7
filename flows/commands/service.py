"""The service: started once, triggered at will."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import Json

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="The configuration; by default nowcast.toml of this folder."),
]


def serve(config: ConfigFile = None) -> None:
    """Start everything that runs by itself, on this machine, and keep it running.

    Files that arrive in the inbox are ingested, every new frame is forecast from, the live page
    is rewritten, days and weeks are verified. Nothing else is needed: Prefect's server is started
    too, with a database of its own, unless PREFECT_API_URL names one.
    """
    from flows.service.configuration import Configuration
    from flows.service.supervisor import serve

    serve(Configuration.load(config), config.absolute() if config else None)


def trigger(
    flow: Annotated[
        str, typer.Argument(help="ingest, forecast, verify, train, classify or housekeeping.")
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="name=value; repeatable.", metavar="NAME=VALUE"),
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Start a run of a deployed flow now, wait for it, and say how it ended.

    Parameters are checked before anything is sent. Exits with 1 if the run did not complete.
    """
    from flows.service.configuration import Configuration
    from flows.service.trigger import start_run

    outcome = start_run(Configuration.load(config), flow, parameters or [], config)
    if as_json:
        terminal.show_json(outcome.to_json())
    else:
        terminal.show(outcome.sentence())
    raise typer.Exit(code=0 if outcome.completed else 1)

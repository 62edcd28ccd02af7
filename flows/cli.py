"""The command `nowcast`: each subcommand is a thin call of a flow or a function."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import terminal

app = typer.Typer(
    name="nowcast",
    help="From raw radar scans to verified forecasts of the next hour of rain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
StorePath = Annotated[Path, typer.Argument(help="The store, a zarr folder.", metavar="STORE")]
Forecasters = Annotated[
    list[str],
    typer.Option("--with", help="persistence, extrapolation, or a checkpoint's path; repeatable."),
]


def main() -> None:
    """Run the command line; a mistake of the user's ends in one sentence and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        terminal.complain(f"nowcast: {error}")
        sys.exit(2)


@app.command()
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

    run_demo(out, _files([*(data or []), *(more or [])]) if data else [])


@app.command()
def catalog(
    name: Annotated[str | None, typer.Argument(help="One entry; without it, all.")] = None,
    as_json: Json = False,
) -> None:
    """List the products and image sets, or show one."""
    from data_catalog.catalog import load_catalog

    known = load_catalog()
    entries = {**known.products, **known.image_sets}
    if name is not None:
        entry = entries[name] if name in entries else known.product(name)
        facts = entry.model_dump(mode="json", exclude_none=True)
        if as_json:
            terminal.show_json(facts)
        else:
            terminal.show_facts(name, [(key, str(value)) for key, value in facts.items()])
    elif as_json:
        terminal.show_json([entry.model_dump(mode="json") for entry in entries.values()])
    else:
        rows = [(entry.name, entry.title, entry.licence) for entry in entries.values()]
        terminal.show_table("Catalog", ("name", "title", "licence"), rows, numbers=False)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="An entry of the catalog.")],
    out: Annotated[Path, typer.Option(help="Folder to put the file in.")] = Path("data"),
) -> None:
    """Download an entry of the catalog, or say where a person gets it."""
    from data_catalog.catalog import load_catalog
    from data_catalog.download import fetch as download

    known = load_catalog()
    entry = known.image_sets.get(name) or known.product(name)
    terminal.show(str(download(entry, out)))


@app.command()
def ingest(
    files: Annotated[list[Path], typer.Argument(help="Radar files, or folders of them.")],
    store: Annotated[Path, typer.Option(help="The store; made if absent.")],
    product: Annotated[str | None, typer.Option(help="Catalog entry of the files.")] = None,
    reader: Annotated[str | None, typer.Option(help="File format, if it must be told.")] = None,
    as_json: Json = False,
) -> None:
    """Put the frames of radar files into a store; repeat it as often as you like.

    Each refused file gets one line on standard error. Exit code: 0 if all went in, 1 if some were
    refused, 2 if the command itself was wrong.
    """
    from pipeline.ingest import ingest as ingest_files

    with terminal.bar("ingest") as progress:
        report = ingest_files(
            _files(files), store, product=product, reader=reader, progress=progress
        )
    for refusal in report.refused:
        terminal.complain(str(refusal))
    for sentence in report.revised:
        terminal.complain(sentence)
    if as_json:
        terminal.show_json(report.to_json())
    else:
        terminal.show(report.sentence())
    raise typer.Exit(report.exit_code)


@app.command()
def info(store: StorePath, as_json: Json = False) -> None:
    """Show a store's grid, period, cadence, gaps and wet share."""
    from pipeline.store import Store
    from pipeline.summary import summarise

    summary = summarise(Store.open(store))
    if as_json:
        terminal.show_json(summary.to_json())
    else:
        terminal.show_facts(str(store), summary.rows())


@app.command()
def check(store: StorePath) -> None:
    """Read every frame of a store back; mark missing what is not as it was stored.

    Exit code: 0 if all frames are whole, 1 if some were damaged.
    """
    from pipeline.check import check_store

    with terminal.bar("check") as progress:
        report = check_store(store, progress)
    terminal.show(report.sentence())
    raise typer.Exit(int(bool(report.damaged)))


@app.command()
def tensors(
    store: StorePath,
    out: Annotated[Path, typer.Option(help="Folder of the tensor set; must not exist.")],
) -> None:
    """Build the tensor set that training reads: (t−2, t−1, t) → (t+1, t+2)."""
    from pipeline.store import Store
    from pipeline.tensors import build_tensors

    splits = build_tensors(Store.open(store), out).manifest.splits
    windows = ", ".join(f"{split.windows} windows to {name}" for name, split in splits.items())
    terminal.show(f"{out}: {windows}")


@app.command()
def train(
    tensor_sets: Annotated[list[Path], typer.Argument(help="Tensor sets, of one or more radars.")],
    recipe: Annotated[str, typer.Option(help="What to train: unet, convlstm, …")],
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was cut.")
    ] = False,
) -> None:
    """Train a network by a recipe; prints the path of its best checkpoint."""
    from flows.training import train_network
    from nowcast.recipes import find_recipe

    terminal.show(str(train_network(tensor_sets, find_recipe(recipe), run, resume=resume)))


@app.command()
def forecast(
    store: StorePath,
    forecaster: Annotated[
        str, typer.Option("--with", help="persistence, extrapolation, or a checkpoint's path.")
    ],
    out: Annotated[Path, typer.Option(help="Forecast file, .nc or .zarr.")],
    at: Annotated[str, typer.Option(help="Issue time in UTC, or latest.")] = "latest",
    lead: Annotated[int, typer.Option(help="Minutes ahead.")] = 60,
) -> None:
    """Forecast the next hour from the frames of a store."""
    from flows.forecasting import issue_forecast
    from pipeline.forecasts import write_forecast

    terminal.show(str(write_forecast(out, issue_forecast(store, forecaster, at, lead))))


@app.command()
def verify(
    store: StorePath,
    forecasters: Forecasters,
    start: Annotated[str, typer.Option("--from", help="Start of the period, UTC.")],
    end: Annotated[str, typer.Option("--to", help="End of the period, UTC.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.nc and report.html.")],
    lead: Annotated[int, typer.Option(help="Longest lead time in minutes.")] = 60,
    as_json: Json = False,
) -> None:
    """Score forecasters over a period; writes scores.nc and report.html."""
    from flows.forecasting import parse_time
    from flows.publishing import verify_period

    period = (parse_time(start), parse_time(end))
    with terminal.bar("verify") as progress:
        published = verify_period(
            store, forecasters, period, out, lead_minutes=lead, progress=progress
        )
    published.show(as_json)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    terminal.complain(f"nowcast: {message}")


def _quieten_prefect() -> None:
    """Prefect reads these when it is imported; a user's own settings win."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named."""
    files = [
        file
        for path in paths
        for file in (sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])
    ]
    if not files:
        raise ValueError(
            f"{', '.join(map(str, paths)) or 'files'}: expected radar files, found none"
        )
    return files


if __name__ == "__main__":
    main()

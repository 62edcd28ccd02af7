"""From a store to trained networks, forecasts and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import Forecasters, Json, StoreAddress


def tensors(
    store: StoreAddress,
    out: Annotated[
        Path, typer.Option(help="Folder of the tensor set; an outdated one is rebuilt.")
    ],
) -> None:
    """Build the tensor set that training reads: (t−2, t−1, t) → (t+1, t+2)."""
    from pipeline.store import Store
    from pipeline.tensors import build_tensors

    with terminal.bar("tensors") as progress:
        splits = build_tensors(Store.open(store), out, progress=progress).manifest.splits
    windows = ", ".join(f"{split.windows} windows to {name}" for name, split in splits.items())
    terminal.show(f"{out}: {windows}")


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


def forecast(
    store: StoreAddress,
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


def verify(
    store: StoreAddress,
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

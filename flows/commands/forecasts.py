"""From a store to trained networks, forecasts and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import Json, StoreAddress


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
    """Train a network by a recipe; prints the path of its best checkpoint.

    On several processors, or machines: torchrun --nproc-per-node 2 --no-python -- nowcast train …
    """
    from flows.training import train_network
    from nowcast.recipes import find_recipe
    from nowcast.training import is_first_process

    best = train_network(tensor_sets, find_recipe(recipe), run, resume=resume)
    if is_first_process():
        terminal.show(str(best))


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
    out: Annotated[Path, typer.Option(help="Folder for scores.nc and report.html.")],
    forecasters: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="persistence, extrapolation, or a checkpoint's path; repeatable."
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--forecast",
            help="A forecast made elsewhere: netCDF or zarr, or pysteps' netCDF; repeatable.",
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Start of the period, UTC; that of --forecast.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="End of the period, UTC; that of --forecast.")
    ] = None,
    lead: Annotated[
        int | None,
        typer.Option(help="Longest lead time in minutes: 60, or that of --forecast."),
    ] = None,
    all_scores: Annotated[
        bool, typer.Option("--all-scores", help="SAL and SSIM too, which take long.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Threads that count; one a core by default.", min=1)
    ] = None,
    dask: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers count instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score forecasters over a period; writes scores.nc and report.html.

    Persistence is always among them. What an earlier run into the same folder has counted is not
    counted again: a run that was cut goes on, a longer period adds its new issue times. An ensemble
    is scored by its odds with all members, and else by its mean rain rate.
    """
    from flows.forecasting import parse_time
    from flows.publishing import verify_period
    from flows.verification import Request

    request = Request(
        store, tuple(forecasters or ()), tuple(files or ()), lead, all_scores=all_scores
    )
    period = (parse_time(start) if start else None, parse_time(end) if end else None)
    with terminal.bar("verify") as progress:
        published = verify_period(
            request, period, out, workers=workers, dask=dask, progress=progress
        )
    published.show(as_json)


def merge(
    files: Annotated[list[Path], typer.Argument(help="Scores files of different issue times.")],
    out: Annotated[Path, typer.Option(help="The scores file to write.")],
) -> None:
    """Make one scores file of several: exactly that of one run over all their issue times."""
    from flows.merging import merge_scores

    terminal.show(str(merge_scores(files, out)))

"""The whole way in one flow: files, store, tensors, networks, forecasts, scores, report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import flow

from data_catalog.storms import write_storms
from flows import terminal
from flows.forecasting import lead_steps
from flows.publishing import Published
from flows.scheduled import forecast_task, ingest_task, tensors_task, train_task, verify_task
from flows.verification import Request
from pipeline.store import Store
from pipeline.tensors import TensorSet

LEAD_MINUTES = 60
RECIPES = ("unet-demo", "convlstm-demo")


@flow(name="demo")
def demo(
    out: Path,
    files: list[Path],
    product: str | None = None,
    seconds: dict[str, float] | None = None,
) -> Published:
    """From radar files to a verification report, everything under one folder."""
    seconds = seconds or {}
    store = out / "store.zarr"
    with _stage("ingest", seconds) as say:
        report = ingest_task(files, store, product)
        for refusal in report.refused:
            terminal.complain(str(refusal))
        say(report.sentence())
    with _stage("tensors", seconds) as say:
        steps = lead_steps(Store.open(store), LEAD_MINUTES)
        tensors = TensorSet.open(tensors_task(store, out / "tensors", steps))
        splits = tensors.manifest.splits
        say(", ".join(f"{split.windows} windows to {name}" for name, split in splits.items()))
    forecasters = ["extrapolation"]
    for recipe in RECIPES:
        with _stage(f"train {recipe}", seconds) as say:
            run = out / "runs" / recipe
            forecasters.append(str(train_task([tensors.path], recipe, run, resume=True)))
            say(forecasters[-1])
    with _stage("forecast", seconds) as say:
        for forecaster, name in zip(forecasters, ("extrapolation", *RECIPES), strict=True):
            say(str(forecast_task(store, forecaster, "latest", out / f"forecast-{name}.nc")))
    with _stage("verify", seconds) as say:
        test = splits["test"].periods
        start, end = test[0].start.isoformat(" "), test[-1].end.isoformat(" ")
        say(f"{start} to {end}")
        request = Request(store, tuple(forecasters), lead_minutes=LEAD_MINUTES)
        return verify_task(request, start, end, out, seconds=dict(seconds))


def run_demo(out: Path, files: list[Path]) -> None:
    """Run the demo and print its scores and where the report is."""
    product: str | None = None
    seconds: dict[str, float] = {}
    if not files:
        with _stage("storms", seconds) as say:
            files, product = write_storms(out / "storms"), "storms"
            say(f"{len(files)} frames of synthetic storms in {out / 'storms'}")
    demo(out, files, product, seconds).show()


@contextmanager
def _stage(name: str, seconds: dict[str, float]) -> Iterator[terminal.Say]:
    """Say what is going on, and note how long it took."""
    start = time.perf_counter()
    terminal.show(f"{name} …")
    yield lambda message: terminal.show(f"  {message}")
    seconds[name] = time.perf_counter() - start
    terminal.show(f"  {seconds[name]:.0f} s")

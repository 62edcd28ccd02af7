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
from pipeline.store import Store
from pipeline.tensors import TensorSet

LEAD_MINUTES = 60
RECIPES = ("unet-demo", "convlstm-demo")


@flow(name="demo")
def demo(out: Path, files: list[Path], product: str | None = None) -> Published:
    """From radar files to a verification report, everything under one folder."""
    store = out / "store.zarr"
    with _stage("ingest") as say:
        report = ingest_task(files, store, product)
        for refusal in report.refused:
            terminal.complain(str(refusal))
        say(report.sentence())
    steps = lead_steps(Store.open(store), LEAD_MINUTES)
    with _stage("tensors") as say:
        tensors = TensorSet.open(tensors_task(store, out / "tensors", steps))
        windows = {name: split.windows for name, split in tensors.manifest.splits.items()}
        say(", ".join(f"{count} windows to {name}" for name, count in windows.items()))
    checkpoints = []
    for recipe in RECIPES:
        with _stage(f"train {recipe}") as say:
            run = out / "runs" / recipe
            checkpoints.append(str(train_task([tensors.path], recipe, run, resume=True)))
            say(checkpoints[-1])
    forecasters = ["extrapolation", *checkpoints]
    with _stage("forecast") as say:
        for forecaster, name in zip(forecasters, ("extrapolation", *RECIPES), strict=True):
            say(str(forecast_task(store, forecaster, "latest", out / f"forecast-{name}.nc")))
    with _stage("verify") as say:
        periods = tensors.manifest.splits["test"].periods
        start, end = periods[0].start.isoformat(), periods[-1].end.isoformat()
        published = verify_task(store, forecasters, start, end, out, LEAD_MINUTES)
        say(f"{start} to {end}")
    return published


def run_demo(out: Path, files: list[Path]) -> None:
    """Run the demo and print its scores and where the report is."""
    product = None
    if not files:
        with _stage("storms") as say:
            files, product = write_storms(out / "storms"), "storms"
            say(f"{len(files)} frames of synthetic storms in {out / 'storms'}")
    demo(out, files, product).show()


@contextmanager
def _stage(name: str) -> Iterator[terminal.Say]:
    start = time.perf_counter()
    terminal.show(f"{name} …")
    yield lambda message: terminal.show(f"  {message}")
    terminal.show(f"  {time.perf_counter() - start:.0f} s")

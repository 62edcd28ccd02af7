"""The Prefect flows: thin tasks over the functions of the house, paths between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prefect import flow, task

from flows.artifacts import publish_artifacts
from flows.forecasting import issue_forecast, parse_time
from flows.periods import Period
from flows.publishing import Published, verify_period
from flows.training import build_event_tensors, train_network
from flows.verification import Request
from nowcast.recipes import find_recipe
from pipeline.forecasts import write_forecast
from pipeline.ingest import ingest as ingest_files
from pipeline.ingest_report import IngestReport
from pipeline.places import Address
from pipeline.store import Store
from pipeline.tensors import build_tensors as build_tensor_set


@task(task_run_name="ingest {store}")
def ingest_task(
    files: list[Path], store: Address, product: str | None = None, dask: str | None = None
) -> IngestReport:
    """Fill the slots of a store; this task alone writes, whoever decodes."""
    return ingest_files(files, store, product=product, dask=dask)


@task(task_run_name="tensors of {store}")
def tensors_task(store: Address, out: Path, lead_steps: int | None = None) -> Path:
    """Build a tensor set."""
    if lead_steps is None:
        return build_tensor_set(Store.open(store), out).path
    return build_event_tensors(store, out, lead_steps).path


@task(task_run_name="train {recipe}")
def train_task(
    tensors: list[Path], recipe: str, run: Path, steps: int | None = None, resume: bool = False
) -> Path:
    """Train a network; its best checkpoint."""
    chosen = find_recipe(recipe)
    if steps is not None:
        chosen = replace(chosen, steps=steps)
    return train_network(tensors, chosen, run, resume=resume)


@task(task_run_name="forecast with {forecaster}")
def forecast_task(store: Address, forecaster: str, at: str, out: Path, lead: int = 60) -> Path:
    """Write a forecast file."""
    return write_forecast(out, issue_forecast(store, forecaster, at, lead))


@task(task_run_name="verify {start} to {end}")
def verify_task(
    request: Request,
    start: str | None,
    end: str | None,
    out: Path,
    dask: str | None = None,
    seconds: dict[str, float] | None = None,
) -> Published:
    """Score forecasters over a period, publish the report and its artifacts."""
    period: Period = (parse_time(start) if start else None, parse_time(end) if end else None)
    published = verify_period(request, period, out, dask=dask, seconds=seconds)
    publish_artifacts(published)
    return published


@flow(name="ingest")
def ingest(
    files: list[Path], store: Address, product: str | None = None, dask: str | None = None
) -> IngestReport:
    """Put the frames of radar files into a store; on a Dask cluster if its address is given."""
    return ingest_task(files, store, product, dask)


@flow(name="build-tensors")
def build_tensors(store: Address, out: Path) -> Path:
    """Build the tensor set that training reads."""
    return tensors_task(store, out)


@flow(name="train")
def train(
    tensors: list[Path], recipe: str, run: Path, steps: int | None = None, resume: bool = False
) -> Path:
    """Train a network by a recipe; its best checkpoint."""
    return train_task(tensors, recipe, run, steps, resume)


@flow(name="forecast")
def forecast(
    store: Address, forecaster: str, out: Path, at: str = "latest", lead_minutes: int = 60
) -> Path:
    """Forecast the next hour from the frames of a store."""
    return forecast_task(store, forecaster, at, out, lead_minutes)


@flow(name="verify")
def verify(
    store: Address,
    forecasters: list[str],
    start: str | None,
    end: str | None,
    out: Path,
    lead_minutes: int | None = None,
    files: list[Path] | None = None,
    dask: str | None = None,
) -> Path:
    """Score forecasters, and forecasts from files, over a period; the report's path.

    On a Dask cluster if its address is given. What was counted before is not counted again.
    """
    request = Request(store, tuple(forecasters), tuple(files or ()), lead_minutes)
    return verify_task(request, start, end, out, dask).report

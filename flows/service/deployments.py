"""Which flows run by themselves, when, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.events import DeploymentEventTrigger
from prefect.flows import Flow
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.service.configuration import Configuration
from flows.service.deployed import (
    classify,
    denoise,
    forecast,
    housekeeping,
    ingest,
    segment,
    train,
    verify,
)
from flows.service.events import INGESTED, store_resource

# a second run that comes while one is at it is cancelled: the first does its work
ONE = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)

# what the forms of the image benchmarks begin with
FIRST_CLASSIFICATION = {"data": "fashion_mnist", "recipe": "vgg-small", "out": "classified"}
FIRST_DENOISING = {"data": "fashion_mnist", "recipe": "denoise-unet", "out": "denoised"}
FIRST_SEGMENTATION = {"data": "dsb2018_nuclei", "recipe": "unet-nuclei", "out": "segmented"}


@dataclass(frozen=True)
class Deployment:
    """A flow that is deployed.

    Args:
        flow: What runs.
        name: Of the deployment, beside that of its flow.
        options: Of `Runner.add_flow` and `Flow.to_deployment`.
    """

    flow: Flow[..., Any]
    name: str
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """How Prefect calls it: FLOW/NAME."""
        return f"{self.flow.name}/{self.name}"


def deployments(configuration: Configuration, config: Path | None) -> list[Deployment]:
    """All that the service deploys.

    Args:
        configuration: When flows run.
        config: Its file, which the runs read anew; None for nowcast.toml of the folder.
    """
    when, told = configuration.schedule, {"config": str(config) if config else None}
    often = Interval(timedelta(minutes=configuration.cadence_minutes))
    seconds = 60 * configuration.timeout_minutes
    takes_in = ingest.with_options(timeout_seconds=seconds)
    forecasts = forecast.with_options(timeout_seconds=seconds)
    fresh = DeploymentEventTrigger(
        name="forecast when frames came in",
        expect={INGESTED},
        match={"prefect.resource.id": store_resource(configuration.store)},
        parameters=dict(told),
    )
    return [
        _deployment(takes_in, "ingest", often, told, concurrency_limit=ONE),
        _deployment(forecasts, "forecast", often, told, triggers=[fresh]),
        _deployment(verify, "verify-daily", Cron(when.verify_daily), told | {"span": "day"}),
        _deployment(verify, "verify-weekly", Cron(when.verify_weekly), told | {"span": "week"}),
        _deployment(train, "train-weekly", Cron(when.train_weekly), told, concurrency_limit=ONE),
        _deployment(
            housekeeping, "housekeeping", Cron(when.housekeeping), told, concurrency_limit=ONE
        ),
        _deployment(classify, "classify", None, FIRST_CLASSIFICATION),
        _deployment(denoise, "denoise", None, FIRST_DENOISING),
        _deployment(segment, "segment", None, FIRST_SEGMENTATION),
    ]


def _deployment(
    flow: Flow[..., Any],
    name: str,
    schedule: Schedule | None,
    parameters: dict[str, Any],
    **options: Any,
) -> Deployment:
    usual = {"tags": ["nowcast"], "entrypoint_type": EntrypointType.MODULE_PATH}
    return Deployment(
        flow, name, {"schedule": schedule, "parameters": parameters} | usual | options
    )

"""The flows that the service deploys: what people see and start in Prefect."""

# annotations are needed as what they are: a flow goes to its process without this module's names
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.service.configuration import Configuration
from flows.service.deployed_images import Positive, classify, denoise, segment
from flows.service.events import INGESTED, store_resource
from flows.service.lateness import too_late

__all__ = [
    "classify",
    "configured",
    "denoise",
    "forecast",
    "housekeeping",
    "ingest",
    "segment",
    "train",
    "verify",
]


@flow(name="ingest")
def ingest(
    config: Path | None = None,
    store: str | None = None,
    inbox: Path | None = None,
    dask: str | None = None,
) -> State[None]:
    """Files that arrived, into the store; new frames are told by an event.

    Args:
        config: The configuration; by default nowcast.toml of the service's folder.
        store: The store, if not the configured one.
        inbox: Where files arrive, if not in the configured folder.
        dask: Address of a Dask scheduler, to decode on its workers.
    """
    from flows.service.intake import take_in
    from flows.service.publication import refresh

    configuration = configured(config, store=store, inbox=inbox)
    if late := too_late(configuration.cadence_minutes):
        return Completed(name="Skipped", message=late)
    intake = take_in(configuration, dask)
    if intake.changed:
        emit_event(INGESTED, {"prefect.resource.id": store_resource(configuration.store)})
    else:
        refresh(configuration)
    return Completed(message=intake.sentence())


@flow(name="forecast")
def forecast(
    config: Path | None = None,
    store: str | None = None,
    forecasters: list[str] | None = None,
    at: str = "latest",
    lead_minutes: Positive | None = None,
    out: Path | None = None,
) -> State[None]:
    """Forecasts of the issue times that are due, or of one that is named, and the live page.

    Args:
        config: The configuration; by default nowcast.toml of the service's folder.
        store: The store, if not the configured one.
        forecasters: persistence, extrapolation or paths of checkpoints, if not those configured.
        at: latest, or an issue time in UTC.
        lead_minutes: How far ahead, if not as far as configured.
        out: Folder to publish in, if not that of the service.
    """
    from flows.service.publication import issue_at, keep_current

    configuration = configured(
        config, store=store, forecasters=forecasters, lead_minutes=lead_minutes, out=out
    )
    if at != "latest":
        return Completed(message=issue_at(configuration, at).sentence())
    if late := too_late(configuration.cadence_minutes):
        return Completed(name="Skipped", message=late)
    return Completed(message=keep_current(configuration))


@flow(name="verify")
def verify(
    config: Path | None = None,
    store: str | None = None,
    span: Literal["day", "week"] = "day",
    start: str | None = None,
    end: str | None = None,
    forecasters: list[str] | None = None,
    out: Path | None = None,
    dask: str | None = None,
) -> State[None]:
    """Scores of a day or a week, with a report.

    Args:
        config: The configuration; by default nowcast.toml of the service's folder.
        store: The store, if not the configured one.
        span: The last whole day or week, unless start and end are told.
        start: Start of the period, UTC.
        end: End of the period, UTC.
        forecasters: Who forecasts anew; by default what was issued is scored.
        out: Folder of the report, if not one of the service.
        dask: Address of a Dask scheduler, to count on its workers.
    """
    from flows.artifacts import publish_artifacts
    from flows.service.reports import verify_span

    configuration = configured(config, store=store)
    outcome = verify_span(configuration, span, (start, end), forecasters, out, dask)
    if isinstance(outcome, str):
        return Completed(message=outcome)
    publish_artifacts(outcome)
    return Completed(message=str(outcome.report))


@flow(name="train")
def train(
    config: Path | None = None,
    store: str | None = None,
    recipe: str | None = None,
    days: Positive | None = None,
) -> State[None]:
    """A new network from the newest settled data; in service only if it beats the present one.

    Args:
        config: The configuration; by default nowcast.toml of the service's folder.
        store: The store, if not the configured one.
        recipe: What to train, if not the configured recipe.
        days: How many of the newest days to train on, if not as many as configured.
    """
    from flows.service.promotion import train_and_promote
    from flows.service.publication import now

    configuration = configured(config, store=store)
    training = configuration.training.model_copy(update=_told({"recipe": recipe, "days": days}))
    if training.recipe is None:
        return Completed(name="Skipped", message="no recipe is configured: nothing to train")
    decision = train_and_promote(configuration.model_copy(update={"training": training}), now())
    return Completed(name="Promoted" if decision.promoted else "Kept", message=decision.why)


@flow(name="housekeeping")
def housekeeping(config: Path | None = None) -> State[None]:
    """What is older than the configuration keeps, removed.

    Args:
        config: The configuration; by default nowcast.toml of the service's folder.
    """
    from flows.service.publication import now
    from flows.service.retention import tidy

    return Completed(message=tidy(configured(config), now()).sentence())


def configured(config: Path | None, **given: Any) -> Configuration:
    """The configuration, with what a run was given in place of its own.

    Raises:
        ValueError: If the configuration is wrong.
    """
    return Configuration.load(config).model_copy(update=_told(given))


def _told(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}

"""What Prefect does by itself when something went wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from flows.service.configuration import Configuration
from flows.service.events import ALERT_BEGUN, INGESTED, store_resource

HEARTBEAT = "prefect.flow-run.heartbeat"
HEARTBEAT_SECONDS = 30
ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


def automations(configuration: Configuration, tell: Any) -> list[AutomationCore]:
    """Those of a service.

    Args:
        configuration: What it runs on.
        tell: The action that tells somebody.
    """
    store: dict[str, str | list[str]] = {"prefect.resource.id": store_resource(configuration.store)}
    return [
        AutomationCore(
            name="nowcast: runs without a heartbeat have crashed",
            description="So that they hold no slot of a concurrency limit.",
            trigger=EventTrigger(
                after={HEARTBEAT},
                expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in ENDS)},
                match={"prefect.resource.id": ["prefect.flow-run.*"]},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=3 * HEARTBEAT_SECONDS),
            ),
            actions=[
                ChangeFlowRunState(
                    name=None,
                    state=StateType.CRASHED,
                    message="Its process is gone: no heartbeat any more.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="nowcast: no frame came in",
            description="Proactive: it also fires when whoever ingests is gone.",
            trigger=EventTrigger(
                expect={INGESTED},
                match=store,
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(minutes=max(configuration.alerts.stale_minutes, 1)),
            ),
            actions=[tell],
        ),
        AutomationCore(
            name="nowcast: somebody should look",
            description="Stale data, a network below extrapolation, a full disk.",
            trigger=EventTrigger(
                expect={ALERT_BEGUN}, match={"prefect.resource.id": "nowcast.alert.*"}, threshold=1
            ),
            actions=[tell],
        ),
    ]


async def install(configuration: Configuration, client: PrefectClient) -> None:
    """Make the automations of a service, or bring those of an earlier start up to date.

    Raises:
        ValueError: If there is no block of that name.
    """
    tell = await _telling(configuration.alerts.block, client)
    for automation in automations(configuration, tell):
        for earlier in await client.read_automations_by_name(automation.name):
            await client.delete_automation(earlier.id)
        await client.create_automation(automation)


async def _telling(block: str | None, client: PrefectClient) -> DoNothing | SendNotification:
    if block is None:
        return DoNothing()
    kind, _, name = block.partition("/")
    try:
        found = await client.read_block_document_by_name(name, kind)
    except ObjectNotFound as error:
        raise ValueError(
            f"alerts.block: expected KIND/NAME of a block in Prefect, such as slack-webhook/ops, "
            f"found {block!r}; make it first"
        ) from error
    return SendNotification(
        block_document_id=found.id,
        subject="Nowcast",
        body="{{ automation.name }}: {{ event.payload.sentence }}",
    )

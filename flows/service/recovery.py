"""What an earlier start left behind on the Prefect server, put in order."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

# tag of runs that began because a file arrived
ARRIVAL = "arrival"
# under way, though nobody is at it
UNDER_WAY = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


async def free_orphans(client: PrefectClient, deployment_ids: Collection[UUID]) -> int:
    """Mark runs as crashed whose process went with an earlier worker; they free their slots.

    Only one worker may run these deployments.
    """
    runs = await _runs(client, deployment_ids, UNDER_WAY)
    for run in runs:
        state: State[None] = Crashed(message="Its worker is gone.")
        await client.set_flow_run_state(run.id, state, force=True)
    return len(runs)


async def merge_waiting(client: PrefectClient, deployment_ids: Collection[UUID]) -> int:
    """Cancel the runs of a deployment that wait beside a later one, which does all their work.

    Runs that somebody started, maybe with parameters of their own, are left alone.
    """
    waiting = await _runs(client, deployment_ids, [StateType.SCHEDULED], datetime.now(UTC))
    newest: dict[UUID | None, FlowRun] = {}
    merged = []
    for run in sorted(filter(_by_itself, waiting), key=_expected):
        if run.deployment_id in newest:
            merged.append(newest[run.deployment_id])
        newest[run.deployment_id] = run
    for run in merged:
        state: State[None] = Cancelled(name="Merged", message="A later run does its work.")
        await client.set_flow_run_state(run.id, state, force=True)
    return len(merged)


async def begun_since(client: PrefectClient, deployment_id: UUID, time: datetime) -> bool:
    """Whether a run of a deployment has become due after a time."""
    chosen = FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate(
            {"after_": time, "before_": datetime.now(UTC)}
        )
    )
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    return bool(
        await client.read_flow_runs(flow_run_filter=chosen, deployment_filter=ours, limit=1)
    )


def _by_itself(run: FlowRun) -> bool:
    made_by = run.created_by.type if run.created_by else None
    return run.auto_scheduled or made_by == "AUTOMATION" or ARRIVAL in run.tags


def _expected(run: FlowRun) -> datetime:
    return run.expected_start_time or datetime.min.replace(tzinfo=UTC)


async def _runs(
    client: PrefectClient,
    deployment_ids: Collection[UUID],
    states: list[StateType],
    before: datetime | None = None,
) -> list[FlowRun]:
    chosen = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)))
    if before is not None:
        chosen.expected_start_time = FlowRunFilterExpectedStartTime.model_validate(
            {"before_": before}
        )
    ours = DeploymentFilter(id=DeploymentFilterId(any_=list(deployment_ids)))
    return await client.read_flow_runs(flow_run_filter=chosen, deployment_filter=ours, limit=200)

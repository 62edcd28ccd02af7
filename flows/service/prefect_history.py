"""What Prefect remembers of runs long ago, removed from its server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.filters import FlowRunFilter

# the most that Prefect deletes at once
BATCH = 50
AT_ONCE = 4
# among the server's routes, but not among those that the client's types list
BULK_DELETE: Any = "/flow_runs/bulk_delete"


@dataclass(frozen=True)
class Forgotten:
    """What was removed from a Prefect server.

    Args:
        runs: Flow runs, each with its task runs, states and logs.
        artifacts: Of these runs.
        errors: Why not all of it, a sentence each.
    """

    runs: int = 0
    artifacts: int = 0
    errors: tuple[str, ...] = ()


def forget_prefect_runs(before: datetime) -> Forgotten:
    """As `delete_prefect_history`, wherever it is called; what fails is told, not raised."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.utilities.asyncutils import run_coro_as_sync

    try:
        return run_coro_as_sync(delete_prefect_history(before))
    except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError, OSError) as error:
        return Forgotten(errors=(f"Prefect: expected to remove old runs, found {error!r}",))


async def delete_prefect_history(before: datetime) -> Forgotten:
    """Remove the flow runs that were over before a time, with their artifacts and logs.

    Runs that never began and should have are removed too; one that is running, paused or being
    cancelled is not.

    Args:
        before: In UTC; of when a run should have begun, and of when it ended.

    Raises:
        httpx.HTTPError: If the server of PREFECT_API_URL does not answer.
    """
    from prefect.client.orchestration import get_client

    runs = artifacts = 0
    async with get_client() as client:
        for chosen in _old(before):
            while found := await client.read_flow_runs(flow_run_filter=chosen, limit=BATCH):
                artifacts += await _delete_artifacts(client, [run.id for run in found])
                runs += await _delete_runs(client, [run.id for run in found])
    return Forgotten(runs, artifacts)


def _old(before: datetime) -> list[FlowRunFilter]:
    """Those that ended before a time, and those that should have begun and never did."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import TERMINAL_STATES, StateType
    from prefect.types import DateTime

    def of_state(*types: StateType) -> filters.FlowRunFilterState:
        return filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=list(types)))

    moment = DateTime.fromisoformat(before.isoformat())
    return [
        filters.FlowRunFilter(
            state=of_state(*TERMINAL_STATES),
            end_time=filters.FlowRunFilterEndTime(before_=moment),
        ),
        filters.FlowRunFilter(
            state=of_state(StateType.SCHEDULED, StateType.PENDING),
            expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=moment),
        ),
    ]


async def _delete_runs(client: PrefectClient, runs: list[UUID]) -> int:
    from prefect.client.schemas import filters

    chosen = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=runs))
    told = {"flow_runs": chosen.model_dump(mode="json"), "limit": len(runs)}
    response = await client.request("POST", BULK_DELETE, json=told)
    return len(response.json()["deleted"])


async def _delete_artifacts(client: PrefectClient, runs: list[UUID]) -> int:
    from prefect.client.schemas import filters

    chosen = filters.ArtifactFilter(flow_run_id=filters.ArtifactFilterFlowRunId(any_=runs))
    count = 0
    while found := await client.read_artifacts(artifact_filter=chosen, limit=BATCH):
        await _together(_gone(client.delete_artifact(artifact.id)) for artifact in found)
        count += len(found)
    return count


async def _gone(deletion: Awaitable[None]) -> None:
    """What another has deleted meanwhile is deleted."""
    from prefect.exceptions import ObjectNotFound

    try:
        await deletion
    except ObjectNotFound:
        return


async def _together(deletions: Iterable[Awaitable[None]]) -> None:
    few = asyncio.Semaphore(AT_ONCE)

    async def delete(deletion: Awaitable[None]) -> None:
        async with few:
            await deletion

    await asyncio.gather(*map(delete, deletions))

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from flows.service import prefect_history
from flows.service.prefect_history import Forgotten, delete_prefect_history, forget_prefect_runs

pytestmark = pytest.mark.usefixtures("prefect")


def test_prefect_forgets_old_runs_with_their_artifacts() -> None:
    from prefect import flow
    from prefect.artifacts import create_markdown_artifact
    from prefect.runtime import flow_run

    @flow
    def leaves_an_artifact() -> str:
        create_markdown_artifact(key="of-a-run", markdown="something")
        return str(flow_run.get_id())

    old = leaves_an_artifact()
    between = datetime.now(UTC)
    young = leaves_an_artifact()

    @flow
    def housekeeping() -> Forgotten:
        return forget_prefect_runs(between)

    forgotten = housekeeping()
    assert forgotten.errors == ()
    assert forgotten.runs >= 1
    assert forgotten.artifacts >= 1
    assert asyncio.run(present(old, young)) == ([young], [young])
    assert asyncio.run(delete_prefect_history(between)) == Forgotten()


async def present(*runs: str) -> tuple[list[str], list[str]]:
    """Which of these runs a server knows, and which have artifacts there."""
    from uuid import UUID

    from prefect import get_client
    from prefect.client.schemas import filters

    ids = [UUID(run) for run in runs]
    of_these = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=ids))
    theirs = filters.ArtifactFilter(flow_run_id=filters.ArtifactFilterFlowRunId(any_=ids))
    async with get_client() as client:
        known = await client.read_flow_runs(flow_run_filter=of_these)
        artifacts = await client.read_artifacts(artifact_filter=theirs)
    return [str(run.id) for run in known], [str(each.flow_run_id) for each in artifacts]


def test_prefect_forgets_in_batches_runs_that_never_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefect_history, "BATCH", 3)
    assert asyncio.run(scheduled_and_forgotten(7)) == (7, 1)


async def scheduled_and_forgotten(count: int) -> tuple[int, int]:
    """Of runs that should have begun in 2020, and one of today: how many went, how many stay."""
    from prefect import flow, get_client
    from prefect.states import Scheduled

    @flow
    def never_begins() -> None: ...

    past = datetime(2020, 1, 1, tzinfo=UTC)
    async with get_client() as client:
        for _ in range(count):
            await client.create_flow_run(never_begins, state=Scheduled(scheduled_time=past))
        today = await client.create_flow_run(never_begins, state=Scheduled())
        forgotten = await delete_prefect_history(past + timedelta(days=1))
        stays = await client.read_flow_run(today.id)
    return forgotten.runs, int(stays.id == today.id)

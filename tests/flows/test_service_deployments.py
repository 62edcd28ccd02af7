from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.states import Running, Scheduled

from flows.service import deployed, lateness
from flows.service.automations import install
from flows.service.configuration import Configuration
from flows.service.deployments import deployments
from flows.service.recovery import ARRIVAL, begun_since, free_orphans, merge_waiting
from flows.service.trigger import FLOWS, check

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "incoming").mkdir()
    return Configuration(product="storms").rooted(tmp_path)


def test_everything_that_can_be_triggered_is_deployed(configuration: Configuration) -> None:
    names = {each.key for each in deployments(configuration, None)}
    assert {f"{name}/{deployment}" for name, (_, deployment) in FLOWS.items()} <= names
    assert {"verify/verify-daily", "verify/verify-weekly"} <= names


def test_deployments_have_schedules_one_writer_and_a_form(configuration: Configuration) -> None:
    found = {
        each.key: each.flow.to_deployment(each.name, **each.options)
        for each in deployments(configuration, None)
    }
    ingest, forecast = found["ingest/ingest"], found["forecast/forecast"]
    assert ingest.schedules[0].schedule.interval == timedelta(minutes=5)
    assert ingest.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert ingest.concurrency_limit == 1
    assert forecast.triggers[0].expect == {"nowcast.frames.ingested"}
    form = forecast._parameter_openapi_schema.properties
    assert form["at"]["title"] == "at"
    assert "issue time" in form["at"]["description"]


def test_parameters_are_checked_before_anything_is_sent() -> None:
    check(deployed.forecast, {"at": "2018-06-16T10:00", "lead_minutes": 30})
    with pytest.raises(ValueError, match="lead_minutes: Input should be greater") as refused:
        check(deployed.forecast, {"lead_minutes": 0, "att": "now"})
    assert "att: no such parameter" in str(refused.value)


def test_the_service_runs_as_flows(
    configuration: Configuration, storm_files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "nowcast.toml").write_text('product = "storms"\n')
    config = tmp_path / "nowcast.toml"
    for file in storm_files[:4]:
        shutil.copy(file, configuration.inbox)
    assert "4 observed" in str(deployed.ingest(config, return_state=True).message)
    told = deployed.forecast(config, forecasters=["extrapolation"], return_state=True)
    assert told.message == "2026-06-01 00:18: extrapolation"
    assert deployed.train(config, return_state=True).name == "Skipped"


def test_automations_are_made_once(configuration: Configuration) -> None:
    async def names() -> list[str]:
        async with get_client() as client:
            await install(configuration, client)
            await install(configuration, client)
            found = await client.read_automations()
            return sorted(each.name for each in found if each.name.startswith("nowcast:"))

    assert asyncio.run(names()) == [
        "nowcast: no frame came in",
        "nowcast: runs without a heartbeat have crashed",
        "nowcast: somebody should look",
    ]


def test_an_alert_to_a_block_that_is_absent_is_refused(configuration: Configuration) -> None:
    alerts = configuration.alerts.model_copy(update={"block": "slack-webhook/ops"})
    told = configuration.model_copy(update={"alerts": alerts})

    async def start() -> None:
        async with get_client() as client:
            await install(told, client)

    with pytest.raises(ValueError, match=r"alerts\.block"):
        asyncio.run(start())


def test_runs_of_a_dead_worker_have_crashed() -> None:
    async def outcome() -> tuple[int, str]:
        async with get_client() as client:
            deployment = await _deployment(client, "orphan")
            orphan = await client.create_flow_run_from_deployment(deployment)
            await client.set_flow_run_state(orphan.id, Running(), force=True)
            crashed = await free_orphans(client, [deployment])
            after = await client.read_flow_run(orphan.id)
            return crashed, after.state.name if after.state else ""

    assert asyncio.run(outcome()) == (1, "Crashed")


def test_of_runs_that_wait_the_newest_remains_and_those_of_people_all() -> None:
    async def outcome() -> tuple[int, list[str]]:
        async with get_client() as client:
            deployment = await _deployment(client, "waiting")
            runs = [
                await client.create_flow_run_from_deployment(
                    deployment,
                    tags=[ARRIVAL] if arrival else [],
                    state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(minutes=ago)),
                )
                for ago, arrival in ((9, True), (8, False), (1, True), (5, True))
            ]
            merged = await merge_waiting(client, [deployment])
            after = [await client.read_flow_run(run.id) for run in runs]
            return merged, [run.state.name for run in after if run.state]

    assert asyncio.run(outcome()) == (2, ["Merged", "Scheduled", "Scheduled", "Merged"])


async def _deployment(client: PrefectClient, name: str) -> UUID:
    flow = await client.create_flow(deployed.housekeeping)
    return await client.create_deployment(flow, name)


@pytest.mark.parametrize(
    ("minutes", "automatic", "skipped"), [(9, True, True), (4, True, False), (9, False, False)]
)
def test_only_a_scheduled_run_that_is_late_by_a_cadence_is_skipped(
    minutes: int, automatic: bool, skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    run = FlowRun.model_construct(
        auto_scheduled=automatic, expected_start_time=now - timedelta(minutes=minutes)
    )
    context = FlowRunContext.model_construct(flow_run=run)
    monkeypatch.setattr(lateness.FlowRunContext, "get", lambda: context)
    assert bool(lateness.too_late(5, now)) == skipped


def test_a_run_that_an_event_started_is_seen() -> None:
    async def outcome() -> tuple[bool, bool]:
        async with get_client() as client:
            deployment = await _deployment(client, "begun")
            began = datetime.now(UTC)
            before = await begun_since(client, deployment, began)
            await client.create_flow_run_from_deployment(deployment)
            await asyncio.sleep(0.1)
            return before, await begun_since(client, deployment, began)

    assert asyncio.run(outcome()) == (False, True)

"""The process that runs the deployed flows, and looks for files that arrive."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.logging import get_logger
from prefect.runner import Runner

from flows.service.automations import HEARTBEAT_SECONDS, install
from flows.service.configuration import Configuration
from flows.service.deployments import deployments
from flows.service.recovery import free_orphans, merge_waiting
from flows.service.warm import keep_warm
from flows.service.watch import Watch

AT_ONCE = 4
QUERY_SECONDS = 0.5
LOOK_SECONDS = 0.5
START_SECONDS = 90


async def work(configuration: Configuration, config: Path | None) -> None:
    """Deploy the flows and run them until the process is told to end."""
    keep_warm()
    await _server_is_up()
    runner = Runner(
        name="nowcast",
        query_seconds=QUERY_SECONDS,
        prefetch_seconds=1,
        limit=AT_ONCE,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        pause_on_shutdown=False,
    )
    ids = {
        # added as flows, not as deployments: so their runs are forks of what is warm
        deployment.key: await runner.aadd_flow(
            deployment.flow, deployment.name, **deployment.options
        )
        for deployment in deployments(configuration, config)
    }
    async with get_client() as client:
        await install(configuration, client)
        crashed = await free_orphans(client, ids.values())
        get_logger("nowcast").info("%d runs had crashed", crashed)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.start())
            group.create_task(_merge(client, list(ids.values())))
            watch = Watch(configuration, client, ids["ingest/ingest"], ids["forecast/forecast"])
            group.create_task(watch.look_out())


async def _merge(client: PrefectClient, deployment_ids: list[UUID]) -> None:
    """Let no runs pile up."""
    while True:
        await merge_waiting(client, deployment_ids)
        await asyncio.sleep(QUERY_SECONDS)


async def _server_is_up() -> None:
    async with get_client() as client:
        for _ in range(round(START_SECONDS / LOOK_SECONDS)):
            if await client.api_healthcheck() is None:
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise ConnectionError(f"{client.api_url}: expected Prefect's server, nobody answers")


def main() -> None:
    """Run as `python -m flows.service.worker [CONFIG]`."""
    config = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    asyncio.run(work(Configuration.load(config), config))


if __name__ == "__main__":
    main()

"""Looks for files that arrive, and starts the runs that they need."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient

from flows.service.configuration import Configuration
from flows.service.folders import Folders
from flows.service.inbox import Inbox
from flows.service.recovery import ARRIVAL, begun_since

LOOK_SECONDS = 0.5
# by then the event that frames came in has started a forecast, if it was not lost
EVENT_SECONDS = 5.0


@dataclass
class Watch:
    """Starts an ingest when files arrive, one at a time.

    Files that an ingest left as they were, as on a full disk, wait for the next cadence.

    Args:
        configuration: Whose inbox.
        client: Of Prefect's server.
        ingest: The deployment that takes files in.
        forecast: The deployment that an event starts; here, should the event be lost.
    """

    configuration: Configuration
    client: PrefectClient
    ingest: UUID
    forecast: UUID
    ensuring: set[asyncio.Task[None]] = field(default_factory=set)

    async def look_out(self) -> None:
        """Look, for ever."""
        inbox = Inbox(self.configuration.inbox, Folders(self.configuration.out).ledger)
        await self._start(self.forecast)
        tried, again = None, 0.0
        while True:
            arrived = await asyncio.to_thread(inbox.arrivals)
            if arrived and (arrived != tried or time.monotonic() > again):
                tried, again = arrived, time.monotonic() + 60 * self.configuration.cadence_minutes
                await self._ingest()
            await asyncio.sleep(LOOK_SECONDS)

    async def _ingest(self) -> None:
        began = datetime.now(UTC)
        run = await self._start(self.ingest)
        state = None
        while state is None or not state.is_final():
            await asyncio.sleep(LOOK_SECONDS)
            state = (await self.client.read_flow_run(run)).state
        task = asyncio.create_task(self._ensure_forecast(began))
        self.ensuring.add(task)
        task.add_done_callback(self.ensuring.discard)

    async def _ensure_forecast(self, began: datetime) -> None:
        await asyncio.sleep(EVENT_SECONDS)
        if not await begun_since(self.client, self.forecast, began):
            await self._start(self.forecast)

    async def _start(self, deployment: UUID) -> UUID:
        run = await self.client.create_flow_run_from_deployment(deployment, tags=[ARRIVAL])
        return run.id

"""Two workers that ingest and forecast for two stores, by deployments on one Prefect server."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from servers import PATIENCE_SECONDS, PREFECT, running, wait_until

from pipeline.layout import STATUSES
from pipeline.store import Store

ROOT = Path(__file__).parents[2]
POOL, WORKERS = "radars", ("north", "south")


@dataclass(frozen=True)
class Done:
    """What the runs left.

    Args:
        runs: All, ended.
        by_worker: Worker → runs that it executed.
    """

    runs: list[FlowRun]
    by_worker: dict[str, int]

    def assert_shared(self) -> None:
        """All completed, each once, and every worker took part."""
        assert {run.name: str(run.state_name) for run in self.runs} == {
            run.name: "Completed" for run in self.runs
        }
        assert min(self.by_worker.values()) > 0
        assert sum(self.by_worker.values()) == len(self.runs)


def work(
    environment: dict[str, str], folder: Path, files: list[Path], batches: int, forecasts: int
) -> Done:
    """Ingest files into two stores, in several runs a store, then forecast from some."""
    stores = [folder / f"{name}.zarr" for name in WORKERS]
    with ExitStack() as stack:
        client = stack.enter_context(SyncPrefectClient(environment["PREFECT_API_URL"]))
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        for name in WORKERS:
            words = ["--pool", POOL, "--name", name, "--limit", "1", "--install-policy", "never"]
            command = [*PREFECT, "worker", "start", "--type", "process", *words]
            log = folder / f"{name}.log"
            worker = stack.enter_context(running(command, log, env=environment))
            wait_until(lambda log=log: "started!" in log.read_text(), worker, log)
        ingests = [deploy(client, "ingest", store, {"product": "storms"}) for store in stores]
        shares = [[str(file) for file in files[first::batches]] for first in range(batches)]
        runs = wait(client, [start(client, into, files=few) for into in ingests for few in shares])
        means = {"forecaster": "extrapolation"}
        issues = [
            deploy(client, "forecast", store, means | {"out": f"{store}.nc"})
            for store in stores[:forecasts]
        ]
        runs += wait(client, [start(client, issue) for issue in issues])
    for store in stores:
        assert_every_frame_once(store, len(files))
    assert len(list(folder.glob("*.zarr.nc"))) == forecasts
    return Done(runs, {name: begun(folder / f"{name}.log", runs) for name in WORKERS})


def begun(log: Path, runs: list[FlowRun]) -> int:
    """How many of the runs the worker of a log has begun, not only asked for."""
    said = log.read_text()
    return sum(f"Beginning flow run '{run.name}'" in said for run in runs)


def deploy(client: SyncPrefectClient, flow: str, store: Path, parameters: dict[str, str]) -> UUID:
    """A deployment of a flow for one store, of which one run at a time is at work."""
    return client.create_deployment(
        flow_id=client.create_flow_from_name(flow),
        name=store.stem,
        entrypoint=f"flows.scheduled.{flow}",
        work_pool_name=POOL,
        parameters={"store": str(store), **parameters},
        concurrency_limit=1,
        job_variables={"working_dir": str(ROOT)},
    )


def start(client: SyncPrefectClient, deployment: UUID, **parameters: Any) -> UUID:
    return client.create_flow_run_from_deployment(deployment, parameters=parameters).id


def wait(client: SyncPrefectClient, runs: list[UUID]) -> list[FlowRun]:
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [client.read_flow_run(run) for run in runs]
        if all(run.state and run.state.is_final() for run in found):
            return found
        assert time.monotonic() < patience, [(run.name, run.state_name) for run in found]
        time.sleep(0.5)


def assert_every_frame_once(address: Path, count: int) -> None:
    store = Store.open(address)
    statuses = [STATUSES[code] for code in store.status]
    assert statuses.count("observed") + statuses.count("late") == count
    assert {*statuses} <= {"observed", "late", "missing"}

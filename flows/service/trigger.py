"""An ad-hoc run of a deployed flow."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound, ParameterTypeError
from prefect.flows import Flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.service import deployed
from flows.service.configuration import Configuration
from flows.service.supervisor import api_url

FLOWS: dict[str, tuple[Flow[..., Any], str]] = {
    "ingest": (deployed.ingest, "ingest"),
    "forecast": (deployed.forecast, "forecast"),
    "verify": (deployed.verify, "verify-daily"),
    "train": (deployed.train, "train-weekly"),
    "classify": (deployed.classify, "classify"),
    "denoise": (deployed.denoise, "denoise"),
    "segment": (deployed.segment, "segment"),
    "housekeeping": (deployed.housekeeping, "housekeeping"),
}
LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        flow: Its flow.
        run: Its name.
        state: Completed, Failed, …
        message: What it said.
        seconds: It took, once it had begun.
        page: Its page in Prefect.
    """

    flow: str
    run: str
    state: str
    message: str
    seconds: float
    page: str
    completed: bool

    def sentence(self) -> str:
        """What happened, for people."""
        return f"{self.flow} {self.run}: {self.state} in {self.seconds:.1f} s. {self.message}"

    def to_json(self) -> dict[str, Any]:
        """What happened, for programs."""
        return asdict(self)


def start_run(
    configuration: Configuration, name: str, parameters: Sequence[str], config: Path | None = None
) -> Outcome:
    """Check the parameters, start a run, and wait for its end.

    Args:
        configuration: Whose server is asked.
        name: In FLOWS.
        parameters: name=value; values as JSON, or as they are.
        config: The configuration's file, for the run; the one it was deployed with by default.

    Raises:
        ValueError: If there is no such flow, or a parameter does not fit.
        ConnectionError: If no server answers.
    """
    if name not in FLOWS:
        raise ValueError(f"no flow {name!r}; there are {', '.join(FLOWS)}")
    given = dict(map(_parsed, parameters))
    flow, deployment = FLOWS[name]
    if config is not None and "config" in flow.parameters.properties:
        given = {"config": str(config.absolute())} | given
    check(flow, given)
    url = api_url(configuration)
    with temporary_settings({PREFECT_API_URL: url}):
        try:
            return asyncio.run(_run(f"{name}/{deployment}", given))
        except ObjectNotFound as error:
            raise ValueError(f"{url}: no flow {name} is deployed; start `nowcast serve`") from error
        except httpx.TransportError as error:
            raise ConnectionError(
                f"{url}: expected Prefect's server, nobody answers; start `nowcast serve`"
            ) from error


def check(flow: Flow[..., Any], given: dict[str, Any]) -> None:
    """Refuse parameters that the flow would refuse.

    Raises:
        ValueError: With all that is wrong, in one sentence.
    """
    known = flow.parameters.properties
    errors = [
        f"{name}: no such parameter; there are {', '.join(known)}"
        for name in given
        if name not in known
    ]
    try:
        with _quiet():
            flow.validate_parameters({key: value for key, value in given.items() if key in known})
    except ParameterTypeError as error:
        errors += [line.removeprefix(" - ") for line in str(error).splitlines()[1:]]
    if errors:
        raise ValueError(f"{flow.name}: {'; '.join(errors)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Prefect logs what it refuses; here the sentence is enough."""
    log = logging.getLogger("prefect.flows")
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def _parsed(parameter: str) -> tuple[str, Any]:
    name, separator, text = parameter.partition("=")
    if not separator:
        raise ValueError(f"-p: expected NAME=VALUE, found {parameter!r}")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


async def _run(deployment: str, parameters: dict[str, Any]) -> Outcome:
    async with get_client() as client:
        found = await client.read_deployment_by_name(deployment)
        run = await client.create_flow_run_from_deployment(found.id, parameters=parameters)
        run = await _ended(client, run)
    state = run.state
    return Outcome(
        deployment.partition("/")[0],
        run.name,
        state.name or "unknown" if state else "unknown",
        (state.message or "") if state else "",
        run.total_run_time.total_seconds(),
        f"{os.environ.get('PREFECT_UI_URL', str(client.api_url).removesuffix('/api/'))}"
        f"/runs/flow-run/{run.id}",
        bool(state and state.is_completed()),
    )


async def _ended(client: PrefectClient, run: FlowRun) -> FlowRun:
    while not run.state or not run.state.is_final():
        await asyncio.sleep(LOOK_SECONDS)
        run = await client.read_flow_run(run.id)
    return run

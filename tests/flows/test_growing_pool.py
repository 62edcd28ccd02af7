"""What prefect.yaml and the Dockerfile name is there, and a server takes it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.flows import Flow
from servers import PREFECT, prefect_server

from flows.service import deployed
from flows.service.configuration import Configuration
from flows.service.deployments import deployments
from flows.service.events import INGESTED, store_resource

ROOT = Path(__file__).parents[2]
NAMED: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def title(deployment: dict[str, Any]) -> str:
    return f"{deployment['entrypoint'].partition(':')[2]}/{deployment['name']}"


@pytest.mark.parametrize("deployment", NAMED, ids=title)
def test_a_deployment_of_the_pool_fits_its_flow(deployment: dict[str, Any]) -> None:
    file, _, name = deployment["entrypoint"].partition(":")
    assert (ROOT / file).samefile(deployed.__file__)
    flow = getattr(deployed, name)
    assert isinstance(flow, Flow)
    fitted = flow.validate_parameters(deployment["parameters"])
    assert {key: str(fitted[key]) for key in deployment["parameters"]} == {
        key: str(value) for key, value in deployment["parameters"].items()
    }
    assert deployment["concurrency_limit"]["limit"] == 1


def test_the_pool_runs_what_one_machine_runs() -> None:
    served = {entry.key: entry.options for entry in deployments(Configuration(), None)}
    assert {title(deployment) for deployment in NAMED} == served.keys()
    for deployment in NAMED:
        same, schedules = served[title(deployment)], deployment["schedules"]
        assert same["parameters"] == deployment["parameters"]
        assert same["tags"] == deployment["tags"]
        assert len(schedules) == int(same["schedule"] is not None)
        for schedule in schedules:
            if "cron" in schedule:
                assert schedule["cron"] == same["schedule"].cron
            else:
                assert schedule["interval"] == same["schedule"].interval.total_seconds()


def test_frames_of_any_store_start_a_forecast() -> None:
    (forecast,) = (entry for entry in NAMED if entry["name"] == "forecast")
    (trigger,) = forecast["triggers"]
    assert trigger["expect"] == [INGESTED]
    assert trigger["match"] == {"prefect.resource.id": store_resource("*")}


def test_the_dockerfile_copies_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [path for line in lines if line.startswith("COPY ") for path in line.split()[1:-1]]
    assert {"data_catalog", "pipeline", "nowcast", "flows", "pyproject.toml"} <= {*copied}
    sent = (ROOT / ".dockerignore").read_text().split()
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in sent
    assert lines.index("USER nowcast") < lines.index("VOLUME /data")
    assert 'CMD ["nowcast", "serve"]' in lines


def test_a_server_takes_every_deployment(tmp_path: Path) -> None:
    with prefect_server(tmp_path / "prefect") as environment:
        for words in (
            "work-pool create radars --type process",
            "--no-prompt deploy --all",
        ):
            ran = subprocess.run(
                [*PREFECT, *shlex.split(words)],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=150,
                check=False,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
        with SyncPrefectClient(environment["PREFECT_API_URL"]) as client:
            held = client.read_deployments()
            names = {
                f"{client.read_flow(deployment.flow_id).name}/{deployment.name}"
                for deployment in held
            }
    assert names == {title(deployment) for deployment in NAMED}
    assert {deployment.work_pool_name for deployment in held} == {"radars"}
    assert all(deployment.global_concurrency_limit.limit == 1 for deployment in held)

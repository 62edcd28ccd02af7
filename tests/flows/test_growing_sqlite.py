"""Two workers at one Prefect server with its own SQLite."""

from __future__ import annotations

from pathlib import Path

from growing_service import work
from servers import prefect_server


def test_two_workers_share_the_runs_of_a_pool(tmp_path: Path, storm_files: list[Path]) -> None:
    with prefect_server(tmp_path / "prefect") as environment:
        done = work(environment, tmp_path, storm_files[:8], batches=1, forecasts=0)
    done.assert_shared()
    assert len(done.runs) == 2

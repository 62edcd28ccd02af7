"""Two workers at one Prefect server on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from growing_service import work
from servers import postgresql, postgresql_programs, prefect_server


@pytest.mark.slow
def test_two_workers_share_the_runs_of_a_server_on_postgresql(
    tmp_path: Path, storm_files: list[Path]
) -> None:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL with pg_trgm here: install postgresql and postgresql-contrib")
    with (
        postgresql(programs) as database,
        prefect_server(tmp_path / "prefect", database) as environment,
    ):
        done = work(environment, tmp_path, storm_files, batches=3, forecasts=2)
        states = asyncio.run(states_in(database))
    done.assert_shared()
    assert len(done.runs) == 8
    assert states == {str(run.id): "COMPLETED" for run in done.runs}
    assert not list((tmp_path / "prefect").rglob("*.db"))


async def states_in(database: str) -> dict[str, str]:
    """Run → its state, read from the database itself."""
    import asyncpg

    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch("select id, state_type::text from flow_run")
    finally:
        await connection.close()
    return {str(row["id"]): row["state_type"] for row in rows}

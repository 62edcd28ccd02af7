from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_catalog.storms import Storms, write_storms
from pipeline.ingest import ingest


@pytest.fixture(scope="session")
def storm_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three hours of a small storm, every six minutes, one frame lost."""
    event = Storms(height=64, width=64, frames=34, seed=1, lost=(9,))
    return write_storms(tmp_path_factory.mktemp("storms"), event)


@pytest.fixture(scope="session")
def storm_store(storm_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `storm_files`; read only."""
    store = tmp_path_factory.mktemp("store") / "storms.zarr"
    ingest(storm_files, store, product="storms")
    return store


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server of its own for the session."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield

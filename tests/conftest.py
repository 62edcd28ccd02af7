"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from pyproj import CRS

from pipeline.frames import Grid

torch.set_num_threads(1)
torch.set_flush_denormal(True)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real radar and image sets; the test skips, visibly, where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("NOWCAST_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set NOWCAST_DATA")
    return folder


@pytest.fixture(scope="session")
def small_grid() -> Grid:
    """48 × 60 pixels of 1 km round 25° E, 60° N."""
    crs = CRS.from_proj4("+proj=aeqd +lat_0=60 +lon_0=25 +units=m +datum=WGS84")
    return Grid.from_corner((48, 60), -30_000, 24_000, (1000, 1000), crs)

"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

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

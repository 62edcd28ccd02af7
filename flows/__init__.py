"""When does it run? Prefect flows, deployments and the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.offered_steps import OFFERED

if TYPE_CHECKING:
    from pipeline.quality_steps import Step

# threads of torch that wait by spinning slow each other down tenfold beside another busy process
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _cleaner_step(text: str) -> Step:
    from flows.cleaner_step import cleaner_step

    return cleaner_step(text)


OFFERED["cleaner"] = _cleaner_step

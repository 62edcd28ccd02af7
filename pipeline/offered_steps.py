"""Quality steps that another package offers to ingest; it enters them when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.quality_steps import Step

OFFERED: dict[str, Callable[[str], Step]] = {}

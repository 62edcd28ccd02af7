"""A note of the frames about to be replaced: it heals a cut between the pixels and their hash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass
from zarr.abc.store import Store as ZarrStore
from zarr.buffer import default_buffer_prototype

KEY = ".revising"


@dataclass(frozen=True, config=ConfigDict(ser_json_inf_nan="constants"))
class Revision:
    """What the columns will say of a slot once its new pixels are there."""

    slot: int
    content_hash: str
    source: str
    wet_share: float
    observed_share: float


_NOTE = TypeAdapter(list[Revision])


def note_revisions(objects: ZarrStore, revisions: Sequence[Revision]) -> None:
    """Write down what is about to be replaced."""
    text = _NOTE.dump_json(list(revisions))
    asyncio.run(objects.set(KEY, default_buffer_prototype().buffer.from_bytes(text)))


def noted_revisions(objects: ZarrStore) -> list[Revision]:
    """What a writer that was cut had written down."""
    found = asyncio.run(objects.get(KEY, default_buffer_prototype()))
    return _NOTE.validate_json(found.to_bytes()) if found else []


def forget_revisions(objects: ZarrStore) -> None:
    """Take the note away: pixels and columns agree."""
    asyncio.run(objects.delete(KEY))

"""The objects of a store that hold its frames: one a frame, or one a shard of frames."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from zarr.abc.store import Store as ZarrStore
from zarr.buffer import default_buffer_prototype

from pipeline.shards import index_bytes, join, split

FOLDER = "reflectivity/c/"
ZSTD_MAGIC = bytes.fromhex("28b52ffd")


class FrameObjects:
    """Compressed frames by slot, past zarr's own encoding.

    Args:
        objects: The store's objects.
        shard: Slots in a shard, or None where each frame is an object of its own.
    """

    def __init__(self, objects: ZarrStore, shard: int | None) -> None:
        self._objects, self._shard = objects, shard

    def put(self, chunks: Mapping[int, bytes]) -> None:
        """Store compressed frames by slot; each object is replaced at once and whole."""
        asyncio.run(self._put(chunks))

    def number(self, slot: int) -> int:
        """Which object holds a slot's frame."""
        return slot // (self._shard or 1)

    def chunks(self, number: int) -> dict[int, bytes]:
        """The compressed frames of one object by slot; none if its index is damaged."""
        return asyncio.run(self._salvage(number))

    def fragments(self, number: int) -> list[bytes]:
        """What may be compressed frames in an object, whatever its index says."""
        found = asyncio.run(self._objects.get(object_key(number), default_buffer_prototype()))
        if found is None:
            return []
        content = found.to_bytes()
        pieces = [ZSTD_MAGIC + piece for piece in content.split(ZSTD_MAGIC)[1:]]
        return [*pieces, *(piece[: -index_bytes(self._shard or 1)] for piece in pieces[-1:])]

    def rewrite(self, number: int, chunks: Mapping[int, bytes]) -> None:
        """Let an object hold these frames by slot and no other."""
        asyncio.run(self._rewrite(number, chunks))

    async def _put(self, chunks: Mapping[int, bytes]) -> None:
        per_object = self._shard or 1
        by_object: dict[int, dict[int, bytes]] = defaultdict(dict)
        for slot, chunk in chunks.items():
            by_object[slot // per_object][slot] = chunk
        await asyncio.gather(*(self._replace(k, new) for k, new in by_object.items()))

    async def _replace(self, number: int, new: Mapping[int, bytes]) -> None:
        await self._rewrite(number, {**await self._salvage(number), **new})

    async def _rewrite(self, number: int, chunks: Mapping[int, bytes]) -> None:
        if not chunks:
            await self._objects.delete(object_key(number))
            return
        content = chunks[number] if self._shard is None else self._joined(number, chunks)
        make = default_buffer_prototype().buffer.from_bytes
        await self._objects.set(object_key(number), make(content))

    def _joined(self, number: int, chunks: Mapping[int, bytes]) -> bytes:
        shard = self._shard or 1
        return join({slot - number * shard: chunk for slot, chunk in chunks.items()}, shard)

    async def _salvage(self, number: int) -> dict[int, bytes]:
        if self._shard is None:
            return await self._read(number)
        try:
            return await self._read(number)
        except ValueError:
            return {}

    async def _read(self, number: int) -> dict[int, bytes]:
        found = await self._objects.get(object_key(number), default_buffer_prototype())
        if found is None:
            return {}
        if self._shard is None:
            return {number: found.to_bytes()}
        places = split(found.to_bytes(), self._shard)
        return {number * self._shard + place: chunk for place, chunk in places.items()}


def object_key(number: int) -> str:
    """Where a store keeps a shard, or a frame that has an object of its own."""
    return f"{FOLDER}{number}/0/0"


def renumber(key: str, objects: int) -> str:
    """The key of a frame's object when so many objects come before the first."""
    if not key.startswith(FOLDER):
        return key
    number, _, rest = key.removeprefix(FOLDER).partition("/")
    return f"{FOLDER}{int(number) + objects}/{rest}"

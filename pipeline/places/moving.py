"""Objects of a store under other keys, where the place itself cannot rename them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import zarr
from zarr.abc.store import Store as ZarrStore
from zarr.buffer import default_buffer_prototype

from pipeline.places.place import Renumber


def move(objects: ZarrStore, renumber: Renumber) -> None:
    """Give objects other keys; an array grows to hold the chunks that it gets."""
    keys = asyncio.run(_keys(objects))
    targets = {key: renumber(key) for key in keys}
    moves = {key: new for key, new in targets.items() if new is not None and new != key}
    _grow(objects, moves.values())
    kept = {new for new in targets.values() if new is not None}
    asyncio.run(_move(objects, moves, [key for key in keys if key not in kept]))


def in_order(moves: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Moves in an order in which none overwrites what is still to be moved.

    Raises:
        ValueError: If they go in a circle.
    """
    waiting = dict(moves)
    while waiting:
        chain = [next(iter(waiting))]
        while waiting[chain[-1]] in waiting:
            if waiting[chain[-1]] == chain[0]:
                raise ValueError(f"{chain[0]}: expected moves to free places, found a circle")
            chain.append(waiting[chain[-1]])
        for key in reversed(chain):
            yield key, waiting.pop(key)


async def _keys(objects: ZarrStore) -> list[str]:
    return [key async for key in objects.list()]


def _grow(objects: ZarrStore, keys: Iterable[str]) -> None:
    last: dict[str, list[int]] = {}
    for key in keys:
        name, chunk, index = key.partition("/c/")
        if chunk:
            numbers = [int(number) for number in index.split("/")]
            last[name] = [max(pair) for pair in zip(last.get(name, numbers), numbers, strict=True)]
    for name, numbers in last.items():
        array = zarr.open_array(objects, path=name, mode="r+")
        reached = [number * size + 1 for number, size in zip(numbers, array.chunks, strict=True)]
        shape = tuple(max(pair) for pair in zip(array.shape, reached, strict=True))
        if shape != array.shape:
            array.resize(shape)


async def _move(objects: ZarrStore, moves: Mapping[str, str], gone: list[str]) -> None:
    prototype = default_buffer_prototype()
    for key, new in in_order(moves):
        found = await objects.get(key, prototype)
        if found is not None:
            await objects.set(new, found)
    for key in gone:
        await objects.delete(key)

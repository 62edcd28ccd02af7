"""Objects whose failures are told in one sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from zarr.abc.buffer import Buffer
from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import BufferPrototype
from zarr.storage import WrapperStore

Explain = Callable[[Exception], Exception | None]


@contextmanager
def explained(explain: Explain) -> Iterator[None]:
    """Raise in place of an error what `explain` makes of it; None leaves the error as it is."""
    try:
        yield
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        raise sentence from error


class ExplainedStore(WrapperStore[ZarrStore]):
    """The objects of another store.

    Args:
        store: Where the objects are.
        explain: What to raise in place of an error of the store.
        before_change: Called before each change; an error from it stops the change.
    """

    def __init__(
        self, store: ZarrStore, explain: Explain, before_change: Callable[[], None] | None = None
    ) -> None:
        super().__init__(store)
        self._explain, self._before_change = explain, before_change

    def _with_store(self, store: ZarrStore) -> ExplainedStore:
        return type(self)(store, self._explain, self._before_change)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with explained(self._explain):
            if self._before_change:
                self._before_change()
            yield

    @property
    def supports_consolidated_metadata(self) -> bool:
        """Whether readers look for consolidated metadata."""
        return self._store.supports_consolidated_metadata

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """An object or a part of it, None where there is none."""
        with explained(self._explain):
            return await self._store.get(key, prototype, byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of objects."""
        with explained(self._explain):
            return await self._store.get_partial_values(prototype, key_ranges)

    async def exists(self, key: str) -> bool:
        """Whether there is an object."""
        with explained(self._explain):
            return await self._store.exists(key)

    async def is_empty(self, prefix: str) -> bool:
        """Whether no object's key begins so."""
        with explained(self._explain):
            return await self._store.is_empty(prefix)

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object whole."""
        with self._changing():
            await self._store.set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object where there is none."""
        with self._changing():
            await self._store.set_if_not_exists(key, value)

    async def delete(self, key: str) -> None:
        """Take an object away."""
        with self._changing():
            await self._store.delete(key)

    async def delete_dir(self, prefix: str) -> None:
        """Take away all objects under a prefix."""
        with self._changing():
            await self._store.delete_dir(prefix)

    async def clear(self) -> None:
        """Take all objects away."""
        with self._changing():
            await self._store.clear()

    def list(self) -> AsyncIterator[str]:
        """All keys."""
        return self._listed(self._store.list())

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin so."""
        return self._listed(self._store.list_prefix(prefix))

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """What is directly under a prefix."""
        return self._listed(self._store.list_dir(prefix))

    async def _listed(self, keys: AsyncIterator[str]) -> AsyncIterator[str]:
        with explained(self._explain):
            async for key in keys:
                yield key

    _get_many = ZarrStore._get_many
    _set_many = ZarrStore._set_many

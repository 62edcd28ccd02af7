"""What every place of a store can do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from zarr.abc.store import Store as ZarrStore

Address = str | Path
Renumber = Callable[[str], str | None]


class Place(Protocol):
    """Where one store lives.

    Attributes:
        address: As messages name it.
        atomic: Whether all that was written since `writing` appears at once, by `save`; elsewhere
            each object appears when it is written.
        movable: Whether `renumbered` can.
        sharded: Whether frames share objects; not where each version of an object is kept.
    """

    address: str
    atomic: bool
    movable: bool
    sharded: bool

    def exists(self) -> bool:
        """Whether a whole store is there."""

    def reading(self) -> ZarrStore:
        """The store as it was last saved, read only."""

    def writing(self) -> ZarrStore:
        """The store for a writer that holds the lock."""

    def save(self, message: str) -> None:
        """Let readers see what was written; in one sentence, what that is."""

    @property
    def snapshot(self) -> str | None:
        """The name of the saved state that `reading` shows, where states have names."""

    def creating(self) -> AbstractContextManager[ZarrStore]:
        """An empty store to lay out; it exists, whole, once the context ends without an error."""

    def renumbered(self, renumber: Renumber) -> AbstractContextManager[ZarrStore]:
        """The same objects under other keys, for further writing; replaces the store at the end.

        Args:
            renumber: The new key of an object's key, None to leave it out.

        Raises:
            ValueError: Where a place cannot.
        """

    def locked(self) -> AbstractContextManager[None]:
        """Be the only writer; a crashed writer's lock is free again.

        Raises:
            BlockingIOError: If another writer is alive.
        """

    def tidy(self) -> None:
        """Remove what killed writers left behind; only under the lock."""

    def size_bytes(self) -> int:
        """What the store takes up."""

    def objects(self) -> int:
        """In how many files or objects."""

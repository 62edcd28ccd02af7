"""A store with a history: an Icechunk repository in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

import icechunk
from icechunk import IcechunkError, Session
from zarr.abc.buffer import Buffer
from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import BufferPrototype

from pipeline.places.explained import ExplainedStore, explained
from pipeline.places.folder import FolderPlace
from pipeline.places.lock import locked
from pipeline.places.moving import move
from pipeline.places.place import Renumber

BRANCH = "main"
SLOTS_PER_MANIFEST = 4096

if "ICECHUNK_LOG" not in os.environ:
    icechunk.set_logs_filter("error")


class RepositoryStore(ExplainedStore):
    """The objects of one state; a chunk whose file was lost is absent, as it is in a folder."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """An object or a part of it, None where there is none."""
        try:
            return await super().get(key, prototype, byte_range)
        except OSError as error:
            if re.search(r"/chunks/\w{20} not found", str(error)):
                return None
            raise


class IcechunkPlace:
    """A repository in a folder, one commit a save.

    Args:
        path: The folder; `PATH@SNAPSHOT` names one of its states.
        snapshot: The state to show, read only; by default the last one.
    """

    atomic = True
    movable = True
    sharded = False

    def __init__(self, path: Path, snapshot: str | None = None) -> None:
        named = re.fullmatch(r"(.+)@([0-9A-Z]{20})", str(path))
        if named and not path.exists():
            path, snapshot = Path(named[1]), named[2]
        self.path, self._past = path, snapshot
        self.address = f"icechunk:{path}" + (f"@{snapshot}" if snapshot else "")
        self._explain = partial(explain, self.address)
        self._shown = snapshot
        self._session: Session | None = None

    def exists(self) -> bool:
        """Whether the repository has a state beyond its beginning.

        Raises:
            ValueError: If the address names a state that the repository does not hold.
        """
        if not (self.path / "refs").is_dir():
            return False
        with explained(self._explain):
            last = self._repository.lookup_branch(BRANCH)
            if self._past:
                self._refuse_unknown(self._past, last)
            return self._repository.lookup_snapshot(last).parent_id is not None

    @property
    def snapshot(self) -> str | None:
        """The id of the state that `reading` showed last, else of the last state."""
        with explained(self._explain):
            return self._shown or self._repository.lookup_branch(BRANCH)

    def reading(self) -> ZarrStore:
        """The state named, else the last."""
        with explained(self._explain):
            last = self._repository.lookup_branch(BRANCH)
            session = self._repository.readonly_session(snapshot_id=self._past or last)
        self._shown = session.snapshot_id
        return RepositoryStore(session.store, self._explain)

    def writing(self) -> ZarrStore:
        """The last state, for changes up to the next `save`; drops those not saved."""
        self._refuse_past()
        with explained(self._explain):
            session = self._repository.writable_session(BRANCH)
        self._session, self._shown = session, session.snapshot_id
        return RepositoryStore(session.store, self._explain)

    def save(self, message: str) -> None:
        """Commit what was written since `writing`, if anything was."""
        if self._session:
            self._commit(self._session, message)
            self._session = None

    @contextmanager
    def creating(self) -> Iterator[ZarrStore]:
        """The changes of a first commit.

        Raises:
            FileExistsError: If the folder holds anything else.
        """
        self._refuse_past()
        if not (self.path / "refs").is_dir():
            self._begin_repository()
        with explained(self._explain):
            session = self._repository.writable_session(BRANCH)
        yield RepositoryStore(session.store, self._explain)
        self._commit(session, "an empty store")

    @contextmanager
    def renumbered(self, renumber: Renumber) -> Iterator[ZarrStore]:
        """The same objects under other keys, all in one commit; each moved object is copied."""
        self._refuse_past()
        with explained(self._explain):
            session = self._repository.writable_session(BRANCH)
            move(session.store, renumber)
        yield RepositoryStore(session.store, self._explain)
        self._commit(session, "objects renumbered")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock beside the folder."""
        self._refuse_past()
        with locked(self.path):
            yield

    def tidy(self) -> None:
        """Remove the objects that no state holds, unless there are changes to save."""
        self._refuse_past()
        with explained(self._explain):
            if self._session and self._session.has_uncommitted_changes:
                return
            self._repository.garbage_collect(datetime.now(UTC))

    def size_bytes(self) -> int:
        """What the files hold, those of past states too."""
        return FolderPlace(self.path).size_bytes()

    def objects(self) -> int:
        """How many files."""
        return FolderPlace(self.path).objects()

    @cached_property
    def _repository(self) -> icechunk.Repository:
        return icechunk.Repository.open(_storage(self.path))

    def _begin_repository(self) -> None:
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"{self.address}: expected an empty folder or none for a new repository, found "
                "something there; take another path"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with explained(self._explain):
            icechunk.Repository.create(_storage(self.path), config=_config()).save_config()

    def _commit(self, session: Session, message: str) -> None:
        with explained(self._explain):
            if session.has_uncommitted_changes:
                self._shown = session.commit(message)

    def _refuse_past(self) -> None:
        if self._past:
            raise ValueError(
                f"{self.address}: expected the last state for writing, found a past one; "
                f"write to icechunk:{self.path}"
            )

    def _refuse_unknown(self, snapshot: str, last: str) -> None:
        try:
            self._repository.lookup_snapshot(snapshot)
        except IcechunkError as error:
            raise ValueError(
                f"{self.address}: the repository holds no such state; its last one is {last}"
            ) from error


def explain(address: str, error: Exception) -> Exception | None:
    """The sentence for an error of the repository; None for what is none."""
    if isinstance(error, icechunk.ConflictError):
        return BlockingIOError(
            f"{address}: another process committed to this repository meanwhile; "
            "nothing was written, try again when it is done"
        )
    if not isinstance(error, IcechunkError):
        return None
    reason = str(error).strip().partition("\n")[0].lstrip("x ")
    return OSError(
        f"{address}: expected a readable and writable Icechunk repository, found: {reason}; "
        "see that the folder is whole and its disk not full"
    )


def _storage(path: Path) -> icechunk.Storage:
    return icechunk.local_filesystem_storage(str(path))


def _config() -> icechunk.RepositoryConfig:
    """Lists of chunks short enough that a commit, which writes one anew, stays small."""
    config = icechunk.RepositoryConfig.default()
    dimension = icechunk.ManifestSplitDimCondition.DimensionName("time")
    splitting = icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): {dimension: SLOTS_PER_MANIFEST}}
    )
    config.manifest = icechunk.ManifestConfig(splitting=splitting)
    return config

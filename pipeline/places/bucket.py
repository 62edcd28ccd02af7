"""A store on an object store that speaks S3."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store
from zarr.abc.buffer import Buffer
from zarr.abc.store import Store as ZarrStore
from zarr.storage import MemoryStore, ObjectStore

from pipeline.places.explained import ExplainedStore, explained
from pipeline.places.lease import Lease
from pipeline.places.place import Renumber

if TYPE_CHECKING:
    from obstore.store import RetryConfig

ROOT = "zarr.json"
RETRIES: RetryConfig = {
    "max_retries": 4,
    "backoff": {
        "init_backoff": timedelta(seconds=0.5),
        "max_backoff": timedelta(seconds=8),
        "base": 2,
    },
    "retry_timeout": timedelta(seconds=30),
}


class BucketPlace:
    """A prefix in a bucket; who and where the bucket is say the AWS_… environment variables.

    Args:
        address: s3://BUCKET/PREFIX.

    Raises:
        ValueError: If the address is another.
    """

    atomic = False
    movable = False
    sharded = True
    snapshot = None

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        match = re.fullmatch(r"s3://([^/]+)/(?:(.+)/)?([^/]+)", self.address)
        if not match:
            raise ValueError(f"{address}: expected s3://BUCKET/PREFIX with a prefix")
        self._bucket, self._parent, self._name = match.groups()
        self._explain = partial(explain, self.address, self._bucket)
        self._lease: Lease | None = None

    def exists(self) -> bool:
        """Whether the root is there: it is written last."""
        with explained(self._explain):
            try:
                obstore.get(self._objects(), ROOT)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return False
        return True

    def reading(self) -> ZarrStore:
        """The store as it is."""
        return ExplainedStore(ObjectStore(self._objects(), read_only=True), self._explain)

    def writing(self) -> ZarrStore:
        """The store as it is; each change makes sure first that the lease is held."""
        return ExplainedStore(ObjectStore(self._objects()), self._explain, self._check)

    def save(self, message: str) -> None:
        """Make sure that the lease was held all the time: each object appeared when written.

        Raises:
            BlockingIOError: If another process took over.
        """
        del message
        if self._lease:
            self._lease.confirm()

    @contextmanager
    def creating(self) -> Iterator[ZarrStore]:
        """Objects in memory, written to the prefix at the end and the root last.

        Raises:
            FileExistsError: If the prefix holds anything else.
        """
        laid_out: dict[str, Buffer] = {}
        yield MemoryStore(laid_out)
        contents = {key: buffer.to_bytes() for key, buffer in laid_out.items()}
        root = contents.pop(ROOT)
        with explained(self._explain):
            self._refuse_strangers(contents)
            for key, content in contents.items():
                self._check()
                obstore.put(self._objects(), key, content)
            self._put_root(root)

    def renumbered(self, renumber: Renumber) -> AbstractContextManager[ZarrStore]:
        """Refuse.

        Raises:
            ValueError: Always.
        """
        del renumber
        raise ValueError(
            f"{self.address}: expected no frame before the store's first, for an object store "
            "cannot move frames; make the store anew from its earliest files"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lease beside the store; a crashed writer's is free after its time."""
        lease = Lease(
            self._client(self._parent), f".{self._name}.lock", self.address, self._explain
        )
        with lease.held():
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def tidy(self) -> None:
        """Nothing: an object is there whole or not at all."""

    def size_bytes(self) -> int:
        """What the objects hold."""
        with explained(self._explain):
            return sum(meta["size"] for batch in obstore.list(self._objects()) for meta in batch)

    def objects(self) -> int:
        """How many objects."""
        with explained(self._explain):
            return sum(len(batch) for batch in obstore.list(self._objects()))

    def _check(self) -> None:
        if self._lease:
            self._lease.check()

    def _refuse_strangers(self, contents: dict[str, bytes]) -> None:
        for batch in obstore.list(self._objects()):
            for meta in batch:
                if meta["path"] not in contents:
                    raise FileExistsError(
                        f"{self.address}: expected nothing there for a new store, found "
                        f"{meta['path']}; delete it or take another prefix"
                    )

    def _put_root(self, root: bytes) -> None:
        try:
            obstore.put(self._objects(), ROOT, root, mode="create")
        except AlreadyExistsError:
            # a repeated request finds what the first one wrote though its answer was lost
            if bytes(obstore.get(self._objects(), ROOT).bytes()) != root:
                raise FileExistsError(
                    f"{self.address}: another process made this store; ingest into it"
                ) from None

    def _objects(self) -> S3Store:
        return self._client("/".join(filter(None, (self._parent, self._name))))

    def _client(self, prefix: str | None) -> S3Store:
        return S3Store(
            self._bucket,
            prefix=prefix,
            client_options={"allow_http": endpoint().startswith("http://")},
            retry_config=RETRIES,
        )


def endpoint() -> str:
    """Where the environment says that the object store is; empty for Amazon's own."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def explain(address: str, bucket: str, error: Exception) -> Exception | None:
    """The sentence for an error of the object store; None for what is none."""
    if not isinstance(error, (BaseError, FileNotFoundError)):
        return None
    text = str(error)
    if "NoSuchBucket" in text:
        return OSError(
            f"{address}: no bucket {bucket!r} at {endpoint() or 'Amazon S3'}; "
            "make it, or mend the address or AWS_ENDPOINT_URL"
        )
    if re.search(r"status code: 40[13]|/latest/|[Cc]redential", text):
        return PermissionError(
            f"{address}: access was refused; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "of one who may read and write there"
        )
    reason = text.partition("\n")[0].partition(" - ")[2] or text.partition("\n")[0]
    return ConnectionError(
        f"{address}: the object store at {endpoint() or 'Amazon S3'} failed ({reason}); "
        "what was saved before is whole, try again when it answers"
    )

"""One writer at a time on an object store: an object that its holder renews."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store
from pydantic import BaseModel, ValidationError

from pipeline.places.explained import Explain, explained

LEASE_SECONDS = 60.0
BEAT_SECONDS = 5.0


class LeaseRecord(BaseModel, frozen=True):
    """What the object says.

    Args:
        host: Where the holder runs.
        pid: Its process there.
        token: Its own word, of no one else.
        beat: How often it renewed the lease.
        seconds: It has crashed when the object stood still for so long.
        free: Whether it is done.
    """

    host: str
    pid: int
    token: str
    beat: int = 0
    seconds: float
    free: bool = False


class Lease:
    """The right to write, for the one process whose record the object holds.

    Every change of the object is conditional on the version last seen, so of two takers one wins.
    A taker measures with its own clock how long the object stood still; no two clocks are
    compared. A holder counts the lease as its own for half of `LEASE_SECONDS` since the last
    renewal began, and renews it before it writes on. What remains: an object on its way when the
    process stood still may land after another took over, if it was under way for more than the
    other half.

    Args:
        objects: Where the object is.
        key: Its key there.
        address: The store, as messages name it.
        explain: What to raise in place of an error of the object store.
    """

    def __init__(self, objects: S3Store, key: str, address: str, explain: Explain) -> None:
        self._objects, self._key, self._address = objects, key, address
        self._explain = explain
        self._record = LeaseRecord(
            host=socket.gethostname(),
            pid=os.getpid(),
            token=uuid.uuid4().hex,
            seconds=LEASE_SECONDS,
        )
        self._version, self._renewed, self._lost = "", 0.0, False
        self._turn = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease, renewed in the background.

        Raises:
            BlockingIOError: If another process holds it and is alive.
        """
        with explained(self._explain):
            self._take()
        done = threading.Event()
        heart = threading.Thread(target=self._keep, args=(done,), daemon=True)
        heart.start()
        try:
            yield
        finally:
            done.set()
            heart.join()
            with suppress(OSError):
                self._renew(free=True)

    def check(self) -> None:
        """Make sure that the lease is held, by the clock or, after a pause, by asking.

        Raises:
            BlockingIOError: If another process took over.
        """
        if self._lost or _clock() - self._renewed > self._record.seconds / 2:
            self.confirm()

    def confirm(self) -> None:
        """Renew the lease now.

        Raises:
            BlockingIOError: If another process took over.
        """
        self._renew(free=False)

    def _keep(self, done: threading.Event) -> None:
        while not self._lost and not done.wait(BEAT_SECONDS):
            with suppress(OSError):
                self.confirm()

    def _renew(self, *, free: bool) -> None:
        with self._turn, explained(self._explain):
            beat = self._record.beat + 1
            if self._lost or not self._put(
                self._record.model_copy(update={"beat": beat, "free": free}), self._version
            ):
                self._lost = True
                raise BlockingIOError(
                    f"{self._address}: another process took over while this one stood still; "
                    "ingest the files again"
                )

    def _take(self) -> None:
        version = None
        while not self._put(self._record, version):
            held, version = self._read()
            if not held.free:
                version = self._await_standstill(held, version)

    def _await_standstill(self, held: LeaseRecord, version: str) -> str:
        start = _clock()
        while _clock() - start < held.seconds:
            time.sleep(held.seconds / 60)
            record, now = self._read()
            if record.free:
                return now
            if now != version:
                raise BlockingIOError(
                    f"{self._address}: process {record.pid} on {record.host} is writing to this "
                    "store; try again when it is done"
                )
        return version

    def _put(self, record: LeaseRecord, version: str | None) -> bool:
        """Whether the object was of that version, None for absent, and now holds the record."""
        began, text = _clock(), record.model_dump_json().encode()
        mode: Any = "create" if version is None else {"e_tag": version}
        try:
            put = obstore.put(self._objects, self._key, text, mode=mode)
            version = put["e_tag"]
        except (AlreadyExistsError, PreconditionError):
            # a repeated request finds what the first one wrote though its answer was lost
            found, version = self._read()
            if found != record:
                return False
        self._record, self._version, self._renewed = record, str(version), began
        return True

    def _read(self) -> tuple[LeaseRecord, str]:
        found = obstore.get(self._objects, self._key)
        try:
            record = LeaseRecord.model_validate_json(bytes(found.bytes()))
        except ValidationError as error:
            raise ValueError(
                f"{self._address}: expected a writer's lease in {self._key}, found something "
                "else; delete it if no one is writing"
            ) from error
        return record, str(found.meta["e_tag"])


def _clock() -> float:
    # goes on while the machine sleeps, where the system has such a clock
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

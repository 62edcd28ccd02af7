"""Files that are on the disk, whole, before anything is written that speaks of them."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore


class DurableStore(LocalStore):
    """A local store whose objects survive a power cut once they were written.

    Each object is synced to the disk under another name, then takes its place at once.
    """

    async def set(self, key: str, value: Buffer) -> None:
        """Write one object."""
        self._check_writable()
        await asyncio.to_thread(write, self.root / key, value.to_bytes())


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and wait until the disk has it."""
    known = path.parent
    while not known.exists():
        known = known.parent
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except Exception:
        partial.unlink(missing_ok=True)
        raise
    sync_folders(path.parent, known)


def sync_folders(folder: Path, highest: Path) -> None:
    """Let the disk know what a folder and those above it, up to the highest, hold."""
    for each in (folder, *folder.parents):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each == highest:
            return

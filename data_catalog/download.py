"""Fetch an entry's file: resumed where it broke off, kept only if its checksum is right."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen

from data_catalog.product import Entry, ImageSet, RemoteFile

TIMEOUT_SECONDS = 30
PASSING = {408, 425, 429}
CHUNK = 2**18

Progress = Callable[[str, int, int | None], None]
Told = Callable[[int, int | None], None]


def fetch(
    entry: Entry,
    folder: Path,
    *,
    attempts: int = 4,
    pause_seconds: float = 1,
    progress: Progress | None = None,
) -> Path:
    """The entry's file in a folder, downloaded unless it is there already.

    The files of an image set lie in a folder of its name below; the path of that folder is
    returned where the entry has several files.

    Args:
        entry: What to fetch.
        folder: Made if it does not exist. What a broken download left stays there as NAME.part.
        attempts: How often to ask the server for each file before giving up.
        pause_seconds: Wait before the second attempt; doubled before each one after.
        progress: Told the file's name, its bytes so far, and all of them where the server says.

    Raises:
        ValueError: If the entry has no address, the server does not give a file, or a
            checksum is wrong.
    """
    if not entry.downloads:
        raise ValueError(
            f"{entry.name}: no address to fetch it from; obtain it from {entry.obtain}"
        )
    home = folder / entry.name if isinstance(entry, ImageSet) else folder
    home.mkdir(parents=True, exist_ok=True)
    pauses = [0.0, *(pause_seconds * 2**k for k in range(attempts - 1))][:attempts]
    paths = [_fetch_file(file, home, pauses, progress or _silent) for file in entry.downloads]
    return paths[0] if len(paths) == 1 else home


def _silent(_name: str, _done: int, _whole: int | None) -> None:
    pass


def _fetch_file(
    file: RemoteFile, folder: Path, pauses: Sequence[float], progress: Progress
) -> Path:
    target = folder / Path(unquote(file.name)).name
    if target.is_file() and _sha256(target) == file.sha256:
        return target
    part = target.with_name(f"{target.name}.part")
    fault = f"expected at least 1 attempt, found {len(pauses)}"
    for pause in pauses:
        time.sleep(pause)
        resumed = part.is_file()
        fault = _download(file.source_url, part, partial(progress, file.name))
        if fault:
            continue
        found = _sha256(part)
        if found == file.sha256:
            return part.replace(target)
        part.unlink()
        fault = f"expected SHA-256 {file.sha256}, found {found}"
        if not resumed:
            break
    raise ValueError(f"{file.source_url}: {fault}")


def _download(url: str, part: Path, told: Told) -> str:
    """What went wrong but may go right next time; empty if nothing did."""
    try:
        _append(url, part, told)
    except HTTPError as error:
        fault = f"expected a file, found HTTP {error.code} {error.reason}"
        if error.code < 500 and error.code not in PASSING:
            raise ValueError(f"{url}: {fault}") from error
        return fault
    except (OSError, HTTPException) as error:
        return f"expected a whole file, found {type(error).__name__}: {error}"
    return ""


def _append(url: str, part: Path, told: Told) -> None:
    begun = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except HTTPError as error:
        if error.code == 416 and begun:
            return
        raise
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        start, length = file.tell(), response.headers["Content-Length"]
        whole = None if length is None else start + int(length)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            told(file.tell(), whole)
        written = file.tell() - start
    if length is not None and written < int(length):
        raise ConnectionError(f"the connection ended after {written} of {length} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

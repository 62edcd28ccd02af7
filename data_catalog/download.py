"""Fetch an entry's file: resumed where it broke off, kept only if its checksum is right."""

from __future__ import annotations

import hashlib
import shutil
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from data_catalog.product import Entry

TIMEOUT_SECONDS = 30
PASSING = {408, 425, 429}


def fetch(entry: Entry, folder: Path, *, attempts: int = 4, pause_seconds: float = 1) -> Path:
    """The entry's file in a folder, downloaded unless it is there already.

    Args:
        entry: What to fetch.
        folder: Made if it does not exist. What a broken download left stays there as NAME.part.
        attempts: How often to ask the server before giving up.
        pause_seconds: Wait before the second attempt; doubled before each one after.

    Raises:
        ValueError: If the entry has no address, the server does not give the file, or the
            checksum is wrong.
    """
    if entry.source_url is None or entry.sha256 is None:
        raise ValueError(
            f"{entry.name}: no address to fetch it from; obtain it from {entry.obtain}"
        )
    target = folder / Path(unquote(urlsplit(entry.source_url).path)).name
    if target.is_file() and _sha256(target) == entry.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    fault = f"expected at least 1 attempt, found {attempts}"
    for attempt in range(attempts):
        time.sleep(pause_seconds * 2 ** (attempt - 1) if attempt else 0)
        resumed = part.is_file()
        fault = _download(entry.source_url, part)
        if fault:
            continue
        found = _sha256(part)
        if found == entry.sha256:
            return part.replace(target)
        part.unlink()
        fault = f"expected SHA-256 {entry.sha256}, found {found}"
        if not resumed:
            break
    raise ValueError(f"{entry.source_url}: {fault}")


def _download(url: str, part: Path) -> str:
    """What went wrong but may go right next time; empty if nothing did."""
    try:
        _append(url, part)
    except HTTPError as error:
        fault = f"expected a file, found HTTP {error.code} {error.reason}"
        if error.code < 500 and error.code not in PASSING:
            raise ValueError(f"{url}: {fault}") from error
        return fault
    except (OSError, HTTPException) as error:
        return f"expected a whole file, found {type(error).__name__}: {error}"
    return ""


def _append(url: str, part: Path) -> None:
    begun = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except HTTPError as error:
        if error.code == 416 and begun:
            return
        raise
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        start = file.tell()
        shutil.copyfileobj(response, file)
        length, written = response.headers["Content-Length"], file.tell() - start
    if length is not None and written < int(length):
        raise ConnectionError(f"the connection ended after {written} of {length} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

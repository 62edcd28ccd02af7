"""Plays a radar: drops the files of an event into a folder at a multiple of their speed.

Run as `python dropper.py PLAN INBOX`; PLAN is JSON: a list of [second, name, path or null]. A null
path drops a corrupt file. Each file appears at once and whole, as a transfer that renames does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def drop(name: str, source: str | None, inbox: Path) -> None:
    content = Path(source).read_bytes() if source else b"\x89HDF\r\n\x1a\n and no more"
    partial = inbox / f".{name}.part"
    partial.write_bytes(content)
    partial.replace(inbox / name)


def main(plan: Path, inbox: Path) -> None:
    begun = time.monotonic()
    for second, name, source in sorted(json.loads(plan.read_text()), key=lambda each: each[0]):
        time.sleep(max(begun + second - time.monotonic(), 0))
        drop(name, source, inbox)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

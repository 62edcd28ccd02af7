"""Links of the chain from what was made to what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["as used", "revised", "cleared", "added", "unknown"]


@dataclass(frozen=True)
class UsedFrame:
    """A frame that something was made of.

    Args:
        valid_time: UTC.
        source: Name of the file that filled its slot.
        content_hash: Of the frame that was used, or as many digits of it as are known.
        state: What has become of it in the store; unknown where there is no store.
        found: The content hash that the store holds now; None if no frame is there.
        file: Where a file of the source's name was found.
        sha256: Of that file.
        yields: Whether that file, read again, holds the frame; None if it was not read.
    """

    valid_time: str
    source: str
    content_hash: str
    state: State = "as used"
    found: str | None = None
    file: str | None = None
    sha256: str | None = None
    yields: bool | None = None


@dataclass(frozen=True)
class Link:
    """Something that was made, or that something was made of.

    Args:
        kind: What it is: forecast, checkpoint, store and the like.
        name: Its path, address or name.
        facts: What is known of it, as JSON holds it.
        broken: Sentences that say what is missing or differs.
        origins: What it was made of.
        frames: Those that were used, of the link that stands for frames.
    """

    kind: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    origins: tuple[Link, ...] = ()
    frames: tuple[UsedFrame, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Link]]:
        """This link and those behind it, each with how far behind."""
        yield depth, self
        for origin in self.origins:
            yield from origin.walk(depth + 1)

    @property
    def faults(self) -> list[str]:
        """What is missing or differs in this link and those behind it, each said once."""
        return list(dict.fromkeys(fault for _, link in self.walk() for fault in link.broken))

    def to_json(self) -> dict[str, Any]:
        """The whole chain for programs."""
        return {"whole": not self.faults, "broken": self.faults, **self._to_json()}

    def _to_json(self) -> dict[str, Any]:
        link: dict[str, Any] = {"kind": self.kind, "name": self.name, **self.facts}
        if self.frames:
            link["frames"] = [vars(frame) for frame in self.frames]
        if self.origins:
            link["origins"] = [origin._to_json() for origin in self.origins]
        return link


def candidates(told: str, near: Path) -> Iterator[Path]:
    """Where what was at a path may be now: there, or at the same place in a folder that moved.

    Args:
        told: The path as it was, absolute or relative to an unknown folder.
        near: A file that may have moved along with it.
    """
    path = Path(told)
    yield path
    parts = path.parts[1:] if path.is_absolute() else path.parts
    for first in range(len(parts)):
        for parent in near.absolute().parents:
            yield parent.joinpath(*parts[first:])

"""What became of the files of an ingest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """A file that did not go in, and why in one sentence."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class IngestReport:
    """What became of the files: frames by outcome, and the refused files."""

    store: str
    frames: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    revised: list[str] = field(default_factory=list)

    def refuse(self, path: Path, reason: str) -> None:
        """Note a file that did not go in."""
        self.refused.append(Refusal(path, reason))

    def sentence(self) -> str:
        """What happened, for people."""
        frames = ", ".join(f"{count} {name}" for name, count in sorted(self.frames.items()))
        files = "1 file" if len(self.refused) == 1 else f"{len(self.refused)} files"
        return f"{self.store}: {frames or 'no frame'}; {files} refused"

    def to_json(self) -> dict[str, Any]:
        """What happened, in types that JSON knows."""
        refused = [{"path": str(r.path), "reason": r.reason} for r in self.refused]
        return {
            "store": self.store,
            "frames": dict(self.frames),
            "refused": refused,
            "revised": self.revised,
        }

    @property
    def exit_code(self) -> int:
        """0 if all went in, 1 if some were refused."""
        return int(bool(self.refused))

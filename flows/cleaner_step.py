"""The trained cleaner of radar as a quality step of ingest: cleaner:CHECKPOINT[:STRICTNESS]."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from nowcast.cleaner import Cleaner
from pipeline.quality_steps import Step

USUAL_STRICTNESS = 0.5


def cleaner_step(text: str) -> Step:
    """The step of a checkpoint, which may be followed by a colon and a strictness of 0 … 1.

    Two checkpoints of the same content are the same step, wherever they lie.

    Raises:
        ValueError: If there is no checkpoint of a cleaner, or the strictness is no share.
    """
    path, strictness = _parts(text)
    if not path.is_file():
        raise ValueError(
            f"quality step 'cleaner:{text}': expected cleaner:CHECKPOINT or "
            f"cleaner:CHECKPOINT:STRICTNESS, found no file {str(path)!r}; train one with "
            "`nowcast denoise --recipe radar-cleaner`"
        )
    cleaner = _cleaner(path, path.stat().st_mtime_ns, strictness)
    return Step(
        f"cleaner:{path}:{strictness:g}",
        f"cleaner:{cleaner.fingerprint}:{strictness:g}",
        cleaner,
    )


@lru_cache(maxsize=8)
def _cleaner(path: Path, _changed: int, strictness: float) -> Cleaner:
    return Cleaner.load(path, strictness)


def _parts(text: str) -> tuple[Path, float]:
    path, _, last = text.rpartition(":")
    try:
        strictness = float(last)
    except ValueError:
        path, strictness = text, USUAL_STRICTNESS
    return Path(path or text).absolute(), strictness

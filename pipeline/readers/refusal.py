"""How a reader says no: one ValueError sentence that begins with the path."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeVar

from PIL import Image

Result = TypeVar("Result")

# what the decoders of gzip, GIF, HDF5, PROJ and CF raise on a damaged file
FAULTS = (
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class ReadError(ValueError):
    """What was expected and what was found, without the path."""


def refusing(kind: str) -> Callable[[Callable[[Path], Result]], Callable[[Path], Result]]:
    """Makes each fault of a function of a path one ValueError: the path, then what is wrong.

    Args:
        kind: What a good file is, with its article: "a KNMI HDF5 file".
    """

    def decorate(function: Callable[[Path], Result]) -> Callable[[Path], Result]:
        @wraps(function)
        def refuse(path: Path) -> Result:
            try:
                return function(_not_empty(Path(path), kind))
            except FileNotFoundError as fault:
                raise ValueError(f"{path}: expected {kind}, found no such file") from fault
            except ReadError as reason:
                raise ValueError(f"{path}: {reason}") from reason
            except FAULTS as fault:
                found = " ".join(f"{type(fault).__name__} {fault}".split())
                raise ValueError(
                    f"{path}: expected {kind}, found it damaged, truncated "
                    f"or of another format ({found})"
                ) from fault

        return refuse

    return decorate


def _not_empty(path: Path, kind: str) -> Path:
    if path.stat().st_size == 0:
        raise ReadError(f"expected {kind}, found an empty file")
    return path

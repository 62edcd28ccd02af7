"""The Python batches of CIFAR-10 and CIFAR-100, in their folder or in the archive they come in."""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from pipeline.pictures import ArrayPictures, Pictures, Source

SIDE = 32
PIXELS = 3 * SIDE * SIDE
FAULTS = (
    pickle.UnpicklingError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    UnicodeError,
    zlib.error,
    tarfile.TarError,
)


class _Kind(NamedTuple):
    """How one of the two sets names what it holds."""

    folder: str
    archive: str
    parts: dict[str, tuple[str, ...]]
    labels: bytes
    meta: str
    names: bytes


KINDS = (
    _Kind(
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
        b"labels",
        "batches.meta",
        b"label_names",
    ),
    _Kind(
        "cifar-100-python",
        "cifar-100-python.tar.gz",
        {"train": ("train",), "test": ("test",)},
        b"fine_labels",
        "meta",
        b"fine_label_names",
    ),
)


class _Type:
    """Stands for the type of a pickled array."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands for a pickled array of bytes; nothing of numpy is called with what a file says."""

    def __init__(self, *_: object) -> None:
        self.pixels = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[object, tuple[int, ...], _Type, bool, bytes]) -> None:
        _, shape, kind, by_columns, content = state
        if kind.name not in (b"u1", "u1") or by_columns:
            raise pickle.UnpicklingError(f"an array of type {kind.name!r}, expected bytes by rows")
        self.pixels = np.frombuffer(content, np.uint8).reshape(shape)


class _Encoded(bytes):
    """Bytes that were pickled as text."""

    def __new__(cls, text: str, encoding: str) -> _Encoded:
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"text to be encoded as {encoding!r}, expected latin1")
        return super().__new__(cls, text.encode("latin1"))

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("bytes with attributes")


# classes with a __setstate__ each: a pickle could set attributes of anything else
ALLOWED: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Encoded,
}


class _Unpickler(pickle.Unpickler):
    """Makes numbers, text, bytes, lists, dicts and arrays of bytes, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}, which no CIFAR batch holds")
        return ALLOWED[module, name]


def read_pickle(content: bytes, name: str) -> dict[bytes, Any]:
    """What a CIFAR pickle holds, by its keys.

    Raises:
        ValueError: If it is broken or holds anything but numbers, text, bytes, lists, dicts and
            arrays of bytes; nothing else is ever made or called.
    """
    try:
        held = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(held, dict):
            raise pickle.UnpicklingError(f"a {type(held).__name__}")
        return {k.encode() if isinstance(k, str) else k: v for k, v in held.items()}
    except FAULTS as error:
        raise ValueError(
            f"{name}: expected a dict of a CIFAR batch, found {error or type(error).__name__}; "
            "obtain it again from its official address"
        ) from error


def find_cifar(folder: Path, classes: tuple[str, ...] | None) -> Source | None:
    """The CIFAR batches in a folder, in the folder of their archive in it, or in the archive.

    Raises:
        ValueError: If the names of the classes cannot be read or are not those expected.
    """
    for kind in KINDS:
        for place in (folder, folder / kind.folder, folder / kind.archive):
            there = place.is_file() if place.name == kind.archive else _holds(place, kind)
            if there:
                names = _class_names(place, kind)
                if classes is not None and classes != names:
                    raise ValueError(
                        f"{place}: expected the classes {list(classes)}, found {list(names)}"
                    )
                parts = {
                    part: cast(Callable[[], Pictures], partial(_read, place, kind, part, names))
                    for part in kind.parts
                }
                return Source(names, parts)
    return None


def _holds(folder: Path, kind: _Kind) -> bool:
    return (folder / kind.meta).is_file() and (folder / kind.parts["test"][0]).is_file()


def _class_names(place: Path, kind: _Kind) -> tuple[str, ...]:
    ((name, content),) = _contents(place, kind, (kind.meta,))
    names = read_pickle(content, name).get(kind.names)
    if not isinstance(names, list) or not names:
        raise ValueError(f"{name}: expected a list of {kind.names.decode()}, found {names!r:.60}")
    return tuple(n.decode() if isinstance(n, bytes) else str(n) for n in names)


def _read(place: Path, kind: _Kind, part: str, names: tuple[str, ...]) -> ArrayPictures:
    pixels, labels = [], []
    for name, content in _contents(place, kind, kind.parts[part]):
        held = read_pickle(content, name)
        array, numbers = held.get(b"data"), np.asarray(held.get(kind.labels))
        rows = (array if isinstance(array, _Array) else _Array()).pixels
        good = numbers.dtype.kind == "i" and [*rows.shape] == [numbers.size, PIXELS]
        if not good or numbers.min(initial=0) < 0 or numbers.max(initial=0) >= len(names):
            raise ValueError(
                f"{name}: expected (N, {PIXELS}) bytes and N labels below {len(names)}, found "
                f"{rows.shape} and {numbers.shape}; obtain it again"
            )
        pixels.append(rows.reshape(-1, 3, SIDE, SIDE))
        labels.append(numbers.astype(np.int64))
    return ArrayPictures(str(place), np.concatenate(pixels), np.concatenate(labels))


def _contents(place: Path, kind: _Kind, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Where each of the files lies, and its bytes."""
    if place.name != kind.archive:
        for name in names:
            with _refusing(place / name):
                content = (place / name).read_bytes()
            yield str(place / name), content
        return
    with _refusing(place), tarfile.open(place) as archive:
        wanted = {f"{kind.folder}/{name}": name for name in names}
        held = {}
        for member in archive:
            if member.name in wanted and (file := archive.extractfile(member)):
                held[member.name] = file.read()
            if len(held) == len(wanted):
                break
    for name in wanted:
        if name not in held:
            raise ValueError(f"{place}: expected {name} in it, found no such file; obtain it again")
        yield f"{place}/{name}", held[name]


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ValueError(
            f"{path}: expected a file of CIFAR, found {error}; obtain it again"
        ) from error

"""Images in one folder a class, as files or zipped."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np

from pipeline.image_decoding import SUFFIXES, Bytes, Frame, decode, header
from pipeline.pictures import Integers, Pictures, Source

PARTS = {
    **dict.fromkeys(("train", "training", "train_set", "training_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "val_set", "validation_set"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class Found(NamedTuple):
    """One image file: its part, the name of its class, where it lies, and what opens it."""

    part: str
    label: str
    name: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Pictures that are files, decoded when they are asked for.

    Args:
        files: In a fixed order.
        labels: (N,) numbers of the classes.
    """

    files: tuple[Found, ...]
    labels: Integers

    @cached_property
    def shape(self) -> tuple[int, int | None, int | None]:
        """By the headers of all files that are not broken."""
        shapes = {shape for i in range(len(self.files)) if (shape := self._header(i))}
        sizes = {shape[1:] for shape in shapes}
        height, width = sizes.pop() if len(sizes) == 1 else (None, None)
        grey = bool(shapes) and all(channels == 1 for channels, *_ in shapes)
        return (1 if grey else 3), height, width

    def name(self, i: int) -> str:
        """The file's path."""
        return self.files[i].name

    def decode(self, i: int, frame: Frame) -> Bytes:
        """Picture i, framed."""
        try:
            with self.files[i].open() as file:
                content = file.read()
        except UNREADABLE as error:
            raise ValueError(
                f"{self.name(i)}: expected a whole image, found {error}; replace or remove it, "
                "or skip broken images"
            ) from error
        return decode(content, self.name(i), frame)

    def _header(self, i: int) -> tuple[int, int, int] | None:
        try:
            with self.files[i].open() as file:
                return header(file)
        except UNREADABLE:
            return None


def find_folders(folder: Path, classes: tuple[str, ...] | None) -> Source | None:
    """The folders of classes below a folder: train/cats, val/cats …, or cats, dogs … alone.

    Raises:
        ValueError: If a class is missing, unknown or has no image.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        if (place := _place(inside, "train")) and path.is_file():
            found.append(Found(*place, str(path), partial(_open, path)))
    _refuse_empty_class({Path(one.name).parent for one in found})
    return _source(folder, found, classes)


def find_zips(folder: Path, classes: tuple[str, ...] | None) -> Source | None:
    """The folders of classes inside the zip files of a folder.

    Raises:
        ValueError: If a zip file is broken, or a class is missing or unknown.
    """
    found: list[Found] = []
    for path in sorted(folder.glob("*.zip")):
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path}: expected a zip file of images, found {error}; obtain it again"
            ) from error
        default = PARTS.get(path.stem.lower(), "train")
        for member in sorted(archive.namelist()):
            if place := _place(PurePosixPath(member), default):
                opened = partial(archive.open, member)
                found.append(Found(*place, f"{path}/{member}", opened))
    return _source(folder, found, classes)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _place(inside: PurePosixPath, default: str) -> tuple[str, str] | None:
    """Part and class of an image at a path; None for what is no image of a class."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
    if hidden or inside.suffix.lower() not in SUFFIXES or len(inside.parts) < 2:
        return None
    *above, label, _ = inside.parts
    parts = [PARTS[name.lower()] for name in above if name.lower() in PARTS]
    return (parts[-1] if parts else default), label


def _source(folder: Path, found: list[Found], classes: tuple[str, ...] | None) -> Source | None:
    if not found:
        return None
    parts = {one.part for one in found}
    known = sorted({one.label for one in found if one.part == "train"})
    for part in sorted(parts):
        labels = sorted({one.label for one in found if one.part == part})
        wanted = sorted(classes or known)
        if set(labels) - set(wanted) or (part == "train" and labels != wanted):
            raise ValueError(
                f"{folder}: expected a folder of images for each class of {_few(wanted)} in "
                f"{part}, found {_few(labels)}"
            )
    names = classes or tuple(known)
    return Source(names, {part: partial(_pictures, found, part, names) for part in parts})


def _pictures(found: Iterable[Found], part: str, classes: tuple[str, ...]) -> Pictures:
    number = {label: k for k, label in enumerate(classes)}
    files = sorted((one for one in found if one.part == part), key=lambda f: number[f.label])
    return FilePictures(tuple(files), np.array([number[f.label] for f in files], np.int64))


def _refuse_empty_class(filled: set[Path]) -> None:
    for above in {path.parent for path in filled}:
        for path in sorted(above.iterdir()):
            empty = path.is_dir() and not any(path in (one, *one.parents) for one in filled)
            if empty and not path.name.startswith("."):
                raise ValueError(
                    f"{path}: expected images ({', '.join(sorted(SUFFIXES))}) beside the other "
                    "classes, found none; remove or fill it"
                )


def _few(names: list[str]) -> str:
    return f"{names[:12]}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")

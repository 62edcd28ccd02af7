"""Labelled images of any layout into batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np

from data_catalog.catalog import load_catalog
from pipeline.augmentation import Augmentation
from pipeline.image_decoding import Frame
from pipeline.image_loader import ImageLoader
from pipeline.image_sources import LAYOUTS, roots
from pipeline.image_split import ImageSplit, held_out
from pipeline.pictures import Integers, Pictures, Source

__all__ = ["Augmentation", "Frame", "ImageLoader", "ImageSet", "ImageSplit", "Part"]

Part = Literal["train", "validation", "test"]
SHARE = 0.1


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Where labelled images are; nothing is decoded before it is asked for.

    A part that the set does not bring is a tenth of train, drawn class by class once for all;
    so is the test part of a set without one, and train is what stays.

    Args:
        name: The catalog's, or that of the folder.
        path: The folder.
        source: What was found there.
    """

    name: str
    path: Path
    source: Source
    _loaded: dict[str, Pictures] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(cls, name_or_folder: str | Path, root: Path | None = None) -> ImageSet:
        """A set of the catalog, or a folder of IDX files, CIFAR batches, classes or zipped classes.

        Args:
            name_or_folder: An entry's name, or a folder.
            root: The folder in which the catalog's sets lie, each in one of its name; by default
                NOWCAST_DATA, ../shared/data and data, in this order.

        Raises:
            ValueError: If it is not there, or nothing there is known.
        """
        known = load_catalog().image_sets
        if str(name_or_folder) not in known:
            folder = Path(name_or_folder)
            if folder.is_dir():
                return cls(folder.resolve().name, folder, _recognised(folder, None))
            names = [n for n, e in known.items() if e.task != "segment"]
            raise ValueError(
                f"{name_or_folder}: expected a folder of images or an image set of the catalog "
                f"{sorted(names)}, found neither"
            )
        entry = known[str(name_or_folder)]
        places = [place / entry.name for place in roots(root)]
        folder = next((place for place in places if place.is_dir()), Path())
        if folder == Path():
            listed = ", ".join(map(str, places))
            raise ValueError(
                f"{entry.name}: expected its files in one of {listed}, found no such folder; "
                f"obtain it from {entry.obtain}"
            )
        return cls(entry.name, folder, _recognised(folder, entry.classes))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers."""
        return self.source.classes

    @property
    def channels(self) -> int:
        """1 where the training images are grey, else 3."""
        return self._pictures("train").shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the training images; None where they differ."""
        return self.split("train").size

    def split(self, name: Part) -> ImageSplit:
        """One part of the set.

        Raises:
            ValueError: If there is no part of that name, or its files cannot be read.
        """
        parts = ("train", "validation", "test")
        if name not in parts:
            raise ValueError(f"{self.name}: expected a part of {list(parts)}, found {name!r}")
        if name != "train" and name in self.source.parts:
            pictures = self._pictures(name)
            origin = f"the {len(pictures.labels)} images that the set brings for {name}"
            return ImageSplit(name, self.classes, origin, pictures, _all(pictures))
        drawn = [part for part in parts[1:] if part not in self.source.parts]
        pictures = self._pictures("train")
        shares = held_out(pictures.labels, len(drawn), SHARE)
        members = shares[0 if name == "train" else 1 + drawn.index(name)]
        origin = f"{members.size} of the set's {len(pictures.labels)} images for training"
        if drawn:
            origin += ", drawn class by class so that no part shares an image with another"
        return ImageSplit(name, self.classes, origin, pictures, members)

    def _pictures(self, part: str) -> Pictures:
        with self._lock:
            if part not in self._loaded:
                self._loaded[part] = self.source.parts[part]()
            return self._loaded[part]


def _recognised(folder: Path, classes: tuple[str, ...] | None) -> Source:
    for find in LAYOUTS:
        source = find(folder, classes)
        if source is not None and "train" in source.parts:
            return source
    raise ValueError(
        f"{folder}: expected IDX files, CIFAR batches, or images in one folder a class (zipped or "
        "not), for training at least; found nothing of the kind"
    )


def _all(pictures: Pictures) -> Integers:
    return np.arange(pictures.labels.size)

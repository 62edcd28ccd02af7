"""Pictures with masks, of any layout."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_catalog.catalog import load_catalog
from data_catalog.product import ImageSet
from pipeline.image_sources import roots
from pipeline.masks.decoding import Floats, Labels, read_mask, read_picture
from pipeline.masks.field import field_of_view
from pipeline.masks.intensity import is_light
from pipeline.masks.pairs import MaskPair, are_slices, find_pairs, person_of
from pipeline.masks.parts import Parts, SplitBy, by_block, by_picture, by_subject, without_scenes
from pipeline.masks.values import Kind, MaskValues, read_values

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
OBJECTS = ("background", "object")


@dataclass(frozen=True, eq=False)
class MaskSplit:
    """The pictures of one part with their masks, in a fixed order.

    Args:
        name: "train", "validation" or "test".
        origin: One sentence for a report: where the part comes from.
        pairs: The files of this part.
        channels: Of every picture.
        values: What the masks' numbers mean.
    """

    name: str
    origin: str
    pairs: tuple[MaskPair, ...]
    channels: int
    values: MaskValues

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.pairs)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; of objects, background first."""
        return self.values.classes

    @property
    def kind(self) -> Kind:
        """Whether masks hold classes or objects."""
        return self.values.kind

    def name_of(self, i: int) -> str:
        """What picture i is called."""
        return self.pairs[i].name

    def size_of(self, i: int) -> tuple[int, int]:
        """Height and width of picture i."""
        return self.pairs[i].header.size

    def picture(self, i: int) -> Floats:
        """Picture i, (C, H, W) of 0 … 255.

        Raises:
            ValueError: If its file is broken.
        """
        return read_picture(self.pairs[i].picture, self.channels)

    def label(self, i: int) -> Labels:
        """Classes or objects of picture i, (H, W), −1 where unknown.

        Raises:
            ValueError: If its mask is broken.
        """
        return self.values.labels(read_mask(self.pairs[i].mask))

    def semantic(self, i: int) -> Labels:
        """Classes of picture i, (H, W), −1 where unknown; objects are class 1."""
        return self.values.semantic(self.label(i))

    def second(self, i: int) -> Labels | None:
        """What a second observer drew, as classes; None where there is none."""
        page = self.pairs[i].second
        if page is None:
            return None
        return self.values.semantic(self.values.labels(read_mask(page)))

    def field(self, i: int) -> NDArray[np.bool_]:
        """Where the camera saw anything, (H, W): all but the black rim of an eye's picture."""
        if person_of(self.name_of(i)) is None:
            return np.ones(self.size_of(i), np.bool_)
        return field_of_view(self.picture(i))


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Pictures with masks; nothing is decoded before it is asked for.

    Args:
        name: The catalog's, or that of the folder.
        path: The folder.
        pairs: All pictures with their masks.
        named: The classes where they are known beforehand.
        split_by: What must stay in one part: the picture, the subject, or a block of slices.
        kind: Whether masks hold classes or objects.
        scenes: Names of pictures that were cut from one.
    """

    name: str
    path: Path
    pairs: tuple[MaskPair, ...]
    named: tuple[str, ...] | None
    split_by: SplitBy
    kind: Kind
    scenes: tuple[tuple[str, ...], ...] = ()
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(
        cls,
        name_or_folder: str | Path,
        root: Path | None = None,
        split_by: SplitBy | None = None,
        kind: Kind | None = None,
    ) -> MaskSet:
        """A set of the catalog, or a folder of images and masks.

        Args:
            name_or_folder: An entry's name, or a folder, see `find_pairs`; the names of classes
                may stand in its classes.txt, one a line.
            root: The folder in which the catalog's sets lie, each in one of its name.
            split_by: What must stay in one part; by default blocks for slices (pages, or names
                that count up), the subject where names tell left from right, else the picture.
            kind: "semantic" or "instances"; by default objects where masks have 16 bits.

        Raises:
            ValueError: If it is not there, or a picture lacks its mask or is of another size.
        """
        folder, entry = _find(name_or_folder, root)
        named = entry.classes if entry else None
        pairs = find_pairs(folder)
        listed = folder / "classes.txt"
        if named is None and listed.is_file():
            named = tuple(line.strip() for line in listed.read_text("utf-8").splitlines() if line)
        deep = all(pair.deep for pair in pairs)
        kind = kind or ("instances" if deep else "semantic")
        name = folder.resolve().name
        scenes = entry.scenes if entry else ()
        return cls(name, folder, pairs, named, split_by or _resemblance(pairs), kind, scenes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers.

        Raises:
            ValueError: If a mask holds values that are unknown.
        """
        return self.values.classes

    @cached_property
    def channels(self) -> int:
        """1 where all pictures are grey, else 3."""
        return max(pair.header.channels for pair in self.pairs)

    @cached_property
    def values(self) -> MaskValues:
        """What the masks' numbers mean.

        Raises:
            ValueError: If a mask holds values that are unknown.
        """
        with self._lock:
            if self.kind == "instances":
                return MaskValues("instances", self.named or OBJECTS)
            masks = ((pair.mask.name, read_mask(pair.mask)) for pair in self.pairs)
            return read_values(masks, self.named, str(self.path))

    def split(self, name: Part) -> MaskSplit:
        """One part of the set.

        Raises:
            ValueError: If there is no part of that name, or too few pictures to draw it from.
        """
        if name not in PARTS:
            raise ValueError(f"{self.name}: expected a part of {list(PARTS)}, found {name!r}")
        given = {pair.part for pair in self.pairs}
        if name in given and (name != "train" or given >= set(PARTS)):
            chosen = tuple(pair for pair in self.pairs if pair.part == name)
            origin = f"the {len(chosen)} pictures of the folder {name}"
        else:
            back = [part for part in PARTS if part in given] if name == "train" else []
            members = {i for part in (name, *back) for i in self._drawn.members[part].tolist()}
            chosen = tuple(self._pool[i] for i in sorted(members))
            origin = f"{len(chosen)} of {len(self._pool)} pictures, {self._drawn.how}"
        return MaskSplit(name, origin, chosen, self.channels, self.values)

    @cached_property
    def _pool(self) -> tuple[MaskPair, ...]:
        """What parts are drawn from that the folder does not name."""
        return tuple(pair for pair in self.pairs if pair.part in ("", "train"))

    @cached_property
    def _drawn(self) -> Parts:
        pool, place = self._pool, str(self.path)
        if self.split_by == "block":
            return by_block(len(pool), place)
        if self.split_by == "subject":
            return by_subject([person_of(pair.name) or pair.name for pair in pool], place)
        light = (is_light(read_picture(pair.picture, self.channels)) for pair in pool)
        kinds = ["light" if each else "dark" for each in light]
        parts = by_picture(kinds, [math.prod(pair.header.size) for pair in pool], place)
        return without_scenes(parts, [pair.name for pair in pool], self.scenes)


def _resemblance(pairs: tuple[MaskPair, ...]) -> SplitBy:
    if are_slices(pairs):
        return "block"
    return "subject" if all(person_of(pair.name) for pair in pairs) else "picture"


def _find(name_or_folder: str | Path, root: Path | None) -> tuple[Path, ImageSet | None]:
    """The folder, and its entry in the catalog."""
    known = {name: e for name, e in load_catalog().image_sets.items() if e.task == "segment"}
    entry = known.get(str(name_or_folder))
    if entry is None:
        folder = Path(name_or_folder)
        if folder.is_dir():
            return folder, None
        raise ValueError(
            f"{name_or_folder}: expected a folder of images and masks or an image set of the "
            f"catalog {sorted(known)}, found neither"
        )
    places = [place / entry.name for place in roots(root)]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise ValueError(
            f"{entry.name}: expected its files in one of {', '.join(map(str, places))}, found no "
            f"such folder; obtain it from {entry.obtain}"
        )
    return found, entry

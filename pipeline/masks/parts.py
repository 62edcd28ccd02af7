"""Which pictures train, choose and test, so that none of one part resembles another's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from pipeline.pictures import Integers

SplitBy = Literal["picture", "subject", "block"]
VALIDATION, TEST = 0.1, 0.2
GAP = 1
SEED = 0x5E6


class Parts(NamedTuple):
    """Members of each part, in order, and how they were chosen."""

    members: dict[str, Integers]
    how: str


def by_block(count: int, place: str) -> Parts:
    """Slices of one stack: the last fifth tests, a tenth before it validates.

    A slice is left out at both seams. In the electron micrographs of ISBI 2012 the membranes of
    neighbours overlap with a Dice of 0.37, over two slices with 0.29, and with 0.23 by chance.

    Raises:
        ValueError: If there are fewer than 5.
    """
    test, validation = max(round(TEST * count), 1), max(round(VALIDATION * count), 1)
    train = count - test - validation - 2 * GAP
    if train < 1:
        raise ValueError(_too_few(place, 5, count, "slices"))
    starts = {"train": 0, "validation": train + GAP, "test": count - test}
    stops = {"train": train, "validation": train + GAP + validation, "test": count}
    members = {part: np.arange(starts[part], stops[part]) for part in starts}
    return Parts(members, f"in blocks of slices, {GAP} slice left out between two blocks")


def by_subject(subjects: Sequence[str], place: str) -> Parts:
    """Both eyes of a person, or whatever shares a name, in one part.

    Raises:
        ValueError: If there are fewer than 3 subjects.
    """
    names = sorted(set(subjects))
    drawn = _drawn([""] * len(names), [0] * len(names), place, "subjects")
    of = np.array([names.index(subject) for subject in subjects])
    members = {part: np.flatnonzero(np.isin(of, own)) for part, own in drawn.items()}
    return Parts(members, "drawn by subject, so that no two parts share one")


def by_picture(kinds: Sequence[str], sizes: Sequence[int], place: str) -> Parts:
    """Pictures of every kind in the same shares, and of every kind small and large ones.

    Raises:
        ValueError: If there are fewer than 3.
    """
    several = "each kind in its share" if len(set(kinds)) > 1 else "at random once for all"
    return Parts(_drawn(kinds, sizes, place, "pictures"), f"drawn by picture, {several}")


def without_scenes(parts: Parts, names: Sequence[str], scenes: Sequence[Sequence[str]]) -> Parts:
    """The parts, those of the test left out that were cut from one scene with others' members.

    Validation may share one with training: it chooses, and is not scored.

    Args:
        parts: Members are places in `names`.
        names: Of the pictures.
        scenes: Names of pictures that were cut from one.
    """
    others = {names[i] for part in ("train", "validation") for i in parts.members[part].tolist()}
    seen = {name for scene in scenes if others & set(scene) for name in scene}
    test = parts.members["test"]
    alone = np.array([names[i] not in seen for i in test.tolist()], bool)
    if alone.all():
        return parts
    count = test.size - int(alone.sum())
    pictures = "1 picture that shares its scene" if count == 1 else f"{count} that share scenes"
    left = f"{pictures} with another part left out of the test"
    return Parts({**parts.members, "test": test[alone]}, f"{parts.how}, {left}")


def _drawn(
    kinds: Sequence[str], sizes: Sequence[int], place: str, what: str
) -> dict[str, Integers]:
    if len(kinds) < 3:
        raise ValueError(_too_few(place, 3, len(kinds), what))
    rng = np.random.default_rng(SEED)
    part_of = np.zeros(len(kinds), np.int64)
    for kind in sorted(set(kinds)):
        own = rng.permutation(np.flatnonzero(np.array(kinds) == kind))
        own = own[np.argsort(np.array(sizes)[own], kind="stable")]
        for part, share in ((2, TEST), (1, VALIDATION)):
            rest = own[part_of[own] == 0]
            count = 0 if own.size < 3 else max(round(share * own.size), 1)
            part_of[rest[_evenly(rest.size, count)]] = part
    if not (part_of == 2).any():
        return _drawn([""] * len(kinds), sizes, place, what)
    names = ("train", "validation", "test")
    return {name: np.flatnonzero(part_of == part) for part, name in enumerate(names)}


def _evenly(size: int, count: int) -> Integers:
    """Places from 0 to size − 1 at equal distances."""
    return ((np.arange(count) + 0.5) * size / max(count, 1)).astype(np.int64)


def _too_few(place: str, wanted: int, found: int, what: str) -> str:
    return (
        f"{place}: expected at least {wanted} {what} to draw train, validation and test from, "
        f"found {found}; add some, or sort them into folders train, validation and test"
    )

"""What the numbers of a mask mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.masks.decoding import Labels

IGNORE = -1
VOID, DEEP_VOID = 255, 65535
FEW = 8
Kind = Literal["semantic", "instances"]


@dataclass(frozen=True)
class MaskValues:
    """From stored values to labels.

    Args:
        kind: "semantic" for classes, "instances" for objects 1 … n on a background of 0.
        classes: Names of the classes, in the order of their numbers; of objects, background first.
        binary: Whether 255 stands for class 1.
    """

    kind: Kind
    classes: tuple[str, ...]
    binary: bool = False

    def labels(self, values: Labels) -> Labels:
        """(H, W) classes or objects, IGNORE where it is unknown which."""
        if self.kind == "instances":
            return np.where((values < 0) | (values == DEEP_VOID), IGNORE, values)
        if self.binary:
            return (values > 0).astype(np.int32)
        return np.where((values < 0) | (values == VOID), IGNORE, values)

    def semantic(self, labels: Labels) -> Labels:
        """(H, W) classes, IGNORE where it is unknown which."""
        return np.minimum(labels, 1) if self.kind == "instances" else labels


def read_values(
    masks: Iterable[tuple[str, Labels]], classes: Sequence[str] | None, place: str
) -> MaskValues:
    """How the masks of classes of one set are to be read.

    0 and 255 alone, or 0 and 1, are background and one class; otherwise they are 0 … K, and 255
    where the class is unknown.

    Args:
        masks: Each with the name of its file.
        classes: Names of the classes where they are known.
        place: Where they lie, for a message.

    Raises:
        ValueError: If there are values that are none of these.
    """
    found: dict[int, str] = {}
    for name, values in masks:
        for value in _present(values):
            found.setdefault(int(value), name)
    known = sorted(value for value in found if value >= 0)
    if set(known) <= {0, VOID} and VOID in known:
        return MaskValues("semantic", _names(classes, 2, place), binary=True)
    plain = [value for value in known if value != VOID]
    count = len(classes) if classes else max(plain, default=0) + 1
    unknown = [value for value in plain if value >= count]
    gaps = [] if classes else sorted(set(range(count)) - set(plain))
    if unknown or gaps or count < 2:
        first = (unknown or plain or [0])[-1]
        wanted = f"0 … {count - 1} or 255" if classes else "0 and 255, or 0 … K without a gap"
        smoothed = not classes and {0, VOID} <= set(known)
        smooth = "save it without smoothing, or threshold it, or " if smoothed else ""
        raise ValueError(
            f"{found.get(first, place)}: expected mask values {wanted}, found {_few(known)}; "
            f"{smooth}name the classes in classes.txt, one a line, or store objects with 16 bits"
        )
    return MaskValues("semantic", _names(classes, count, place))


def _present(values: Labels) -> NDArray[np.integer]:
    if values.min() >= 0 and values.max() <= DEEP_VOID:
        return np.flatnonzero(np.bincount(values.ravel()))
    return np.unique(values)


def _names(classes: Sequence[str] | None, count: int, place: str) -> tuple[str, ...]:
    if not classes:
        named = ("foreground",) if count == 2 else tuple(f"class {k}" for k in range(1, count))
        return ("background", *named)
    if len(classes) < count:
        raise ValueError(f"{place}: expected {count} names of classes, found {list(classes)}")
    return tuple(classes)


def _few(values: list[int]) -> str:
    return f"{values[:FEW]}" + (" and more" if len(values) > FEW else "")

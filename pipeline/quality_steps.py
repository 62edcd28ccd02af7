"""Steps of quality control between a file and its store; STEPS is the table.

A step is spelt NAME or NAME:ARGUMENT[:ARGUMENT]: "speckle", "speckle:3", "median:5", "objects:9".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_catalog.product import Product
from pipeline.filters import median_filter, object_filter, speckle_filter
from pipeline.offered_steps import OFFERED
from pipeline.store import Store

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One step of a chain.

    Args:
        spelling: As it is asked for, whole: the step can be made anew from it.
        identity: What it does to frames; equal for steps that do the same.
        apply: One frame (H, W) dBZ -> the frame without what is no weather; NaN stays NaN.
    """

    spelling: str
    identity: str
    apply: Callable[[Pixels], Pixels]


Maker = Callable[[str], Step]
"""Makes a step of what follows its name and a colon; empty for its defaults."""


def _classic(name: str, apply: Callable[..., Pixels], **defaults: float) -> Maker:
    def make(text: str) -> Step:
        given = text.split(":") if text else []
        wanted = ":".join([name, *(key.upper() for key in defaults)])
        told = f"quality step '{name}:{text}': expected {wanted}, numbers"
        if len(given) > len(defaults):
            raise ValueError(f"{told}, {len(defaults)} at most, found {len(given)}")
        options: dict[str, Any] = dict(defaults)
        for key, word in zip(defaults, given, strict=False):
            options[key] = _number(told, key.upper(), word, type(defaults[key]))
        try:
            apply(np.zeros((1, 1), np.float32), **options)
        except ValueError as error:
            raise ValueError(f"{told} ({error})") from error
        spelling = ":".join([name, *(f"{value:g}" for value in options.values())])
        return Step(spelling, spelling, partial(apply, **options))

    return make


def _number(told: str, key: str, word: str, kind: type[float]) -> float:
    try:
        return kind(word)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise ValueError(f"{told}, a {what} for {key}, found {word!r}") from None


STEPS: dict[str, Maker] = {
    "median": _classic("median", median_filter, size=3),
    "speckle": _classic("speckle", speckle_filter, least=3, above=-32.0),
    "objects": _classic("objects", object_filter, pixels=9, above=-32.0),
}


@dataclass(frozen=True)
class Chain:
    """Steps in the order in which they are applied; empty: frames stay as they are."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, spellings: Iterable[str]) -> Chain:
        """The chain of some spellings.

        Raises:
            ValueError: If a name is neither in STEPS nor OFFERED, or what follows it makes no
                sense.
        """
        return cls(tuple(map(find_step, spellings)))

    def __call__(self, dbz: Pixels) -> Pixels:
        """One frame (H, W) dBZ after all steps; what was missing is."""
        for step in self.steps:
            dbz = step.apply(dbz)
        return dbz

    @property
    def identities(self) -> tuple[str, ...]:
        """What the chain does; equal for chains that do the same."""
        return tuple(step.identity for step in self.steps)

    @property
    def attributes(self) -> dict[str, list[str]]:
        """What a store records of it: what it does, and from what it can be made anew."""
        if not self.steps:
            return {}
        spellings = [step.spelling for step in self.steps]
        return {"quality": list(self.identities), "quality_steps": spellings}


EMPTY = Chain()


@dataclass(frozen=True)
class Wanted:
    """The quality steps that an ingest asks for; None leaves it to the product and the store."""

    spellings: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.spellings is not None:
            Chain.of(self.spellings)

    def chain(self, entry: Product | None) -> Chain:
        """The chain of a new store."""
        named = self.spellings
        return Chain.of((entry.quality if entry else ()) if named is None else named)

    def chain_of(self, store: Store, entry: Product | None) -> Chain:
        """The chain of a store that began already.

        Raises:
            ValueError: If it began with another.
        """
        unsaid = self.spellings is None and not (entry and entry.quality)
        chain = Chain.of(store.quality_steps) if unsaid else self.chain(entry)
        if chain.identities != store.quality:
            began, found = (", ".join(each) or "none" for each in (store.quality, chain.identities))
            raise ValueError(
                f"{store.address}: expected the quality steps that this store began with, "
                f"{began}, found {found}; ingest with those, or into a new store"
            )
        return chain


PRODUCT = Wanted()


def find_step(spelling: str) -> Step:
    """The step that is spelt so.

    Raises:
        ValueError: If there is none, or what follows its name makes no sense.
    """
    makers = STEPS | OFFERED
    name, _, text = spelling.partition(":")
    if name not in makers:
        raise ValueError(f"no quality step {name!r}; there are {sorted(makers)}")
    return makers[name](text)

"""Read and check the catalog's TOML files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from data_catalog.product import Entry, ImageSet, Product

Kind = TypeVar("Kind", bound=Entry)

SECTIONS = ("products", "image_sets")
SHIPPED = tuple(Path(__file__).with_name(name) for name in ("radar.toml", "images.toml"))


@dataclass(frozen=True)
class Catalog:
    """Every entry by its name."""

    products: Mapping[str, Product]
    image_sets: Mapping[str, ImageSet]

    def product(self, name: str) -> Product:
        """The product of that name.

        Raises:
            ValueError: If there is none.
        """
        return _find(self.products, "product", name)

    def image_set(self, name: str) -> ImageSet:
        """The image set of that name.

        Raises:
            ValueError: If there is none.
        """
        return _find(self.image_sets, "image set", name)


def load_catalog(extra: Sequence[Path] = ()) -> Catalog:
    """The shipped catalog, then the files named in NOWCAST_CATALOG, then `extra`.

    Raises:
        ValueError: If a file is missing or not TOML, an entry is refused or a name comes twice.
    """
    named = os.environ.get("NOWCAST_CATALOG", "").split(os.pathsep)
    catalog: tuple[dict[str, Product], dict[str, ImageSet]] = ({}, {})
    for path in (*SHIPPED, *(Path(name) for name in named if name), *extra):
        sections = _read(path)
        _add(catalog[0], Product, path, sections.get("products", {}))
        _add(catalog[1], ImageSet, path, sections.get("image_sets", {}))
    return Catalog(*catalog)


def _find(entries: Mapping[str, Kind], kind: str, name: str) -> Kind:
    if name not in entries:
        raise ValueError(f"no {kind} {name!r}; the catalog holds {sorted(entries)}")
    return entries[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        sections = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected a catalog in TOML, found {error}") from error
    for name, section in sections.items():
        if name not in SECTIONS or not isinstance(section, dict):
            raise ValueError(f"{path}: expected tables {list(SECTIONS)}, found {name!r}")
    return sections


def _add(entries: dict[str, Kind], kind: type[Kind], path: Path, section: dict[str, Any]) -> None:
    for name, fields in section.items():
        if name in entries:
            raise ValueError(f"{path}: entry {name!r} is in the catalog already; rename it")
        try:
            entries[name] = kind.model_validate({"name": name} | fields)
        except (ValidationError, TypeError) as error:
            raise ValueError(f"{path}: entry {name!r}: {_reason(error)}") from error


def _reason(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "expected a table of its fields, found a single value"
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"]))
    found = f", found {fault['input']!r}" if place and fault["type"] != "missing" else ""
    return f"{place}: {fault['msg']}{found}".removeprefix(": ")

"""What data exist, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import Json


def catalog(
    name: Annotated[str | None, typer.Argument(help="One entry; without it, all.")] = None,
    as_json: Json = False,
) -> None:
    """List the products and image sets, or show one."""
    from data_catalog.catalog import load_catalog

    known = load_catalog()
    entries = {**known.products, **known.image_sets}
    if name is not None:
        entry = entries[name] if name in entries else known.product(name)
        facts = entry.model_dump(mode="json", exclude_none=True)
        if as_json:
            terminal.show_json(facts)
        else:
            terminal.show_facts(name, [(key, str(value)) for key, value in facts.items()])
    elif as_json:
        terminal.show_json([entry.model_dump(mode="json") for entry in entries.values()])
    else:
        rows = [(entry.name, entry.title, entry.licence) for entry in entries.values()]
        terminal.show_table("Catalog", ("name", "title", "licence"), rows, numbers=False)


def fetch(
    name: Annotated[str, typer.Argument(help="An entry of the catalog.")],
    out: Annotated[Path, typer.Option(help="Folder to put the file in.")] = Path("data"),
) -> None:
    """Download an entry of the catalog, or say where a person gets it."""
    from data_catalog.catalog import load_catalog
    from data_catalog.download import fetch as download

    known = load_catalog()
    entry = known.image_sets.get(name) or known.product(name)
    terminal.show(str(download(entry, out)))

"""Files into a store, and what may be done with a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import Json, StoreAddress, files_in


def ingest(
    files: Annotated[list[Path], typer.Argument(help="Radar files, or folders of them.")],
    store: Annotated[str, typer.Option(help="The store; made if absent.")],
    product: Annotated[str | None, typer.Option(help="Catalog entry of the files.")] = None,
    reader: Annotated[str | None, typer.Option(help="File format, if it must be told.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that decode files.", min=1)] = 2,
    dask: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers decode instead.")
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            help="Step of quality control, in order: median[:SIZE], speckle[:NEIGHBOURS], "
            "objects[:PIXELS], cleaner:CHECKPOINT[:STRICTNESS], or none; by default the product's."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put the frames of radar files into a store; repeat it as often as you like.

    Each refused file gets one line on standard error. Exit code: 0 if all went in, 1 if some were
    refused, 2 if the command itself was wrong.
    """
    from pipeline.ingest import ingest as ingest_files

    with terminal.bar("ingest") as progress:
        report = ingest_files(
            files_in(files),
            store,
            product=product,
            reader=reader,
            workers=workers,
            dask=dask,
            quality=_chain(quality),
            progress=progress,
        )
    for refusal in report.refused:
        terminal.complain(str(refusal))
    for sentence in report.revised:
        terminal.complain(sentence)
    if as_json:
        terminal.show_json(report.to_json())
    else:
        terminal.show(report.sentence())
    raise typer.Exit(report.exit_code)


def _chain(spellings: list[str] | None) -> list[str] | None:
    """What was asked for: None for nothing, an empty chain for `none` alone."""
    return [] if spellings == ["none"] else spellings or None


def info(
    store: StoreAddress,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with a calendar of the slots here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a store's grid, period, cadence, gaps and wet share."""
    from flows.archive import write_archive_page
    from pipeline.store import Store
    from pipeline.summary import summarise

    summary = summarise(Store.open(store))
    if as_json:
        terminal.show_json(summary.to_json())
    else:
        terminal.show_facts(store, summary.rows())
    if html:
        terminal.show(f"Calendar: {write_archive_page(store, html)}")


def check(store: StoreAddress) -> None:
    """Read every frame of a store back; save what can be saved, mark the rest missing.

    Exit code: 0 if all frames are whole, 1 if some were damaged.
    """
    from pipeline.check import check_store

    with terminal.bar("check") as progress:
        report = check_store(store, progress)
    terminal.show(report.sentence())
    raise typer.Exit(int(bool(report.damaged)))


def compact(
    store: StoreAddress,
    hours: Annotated[
        float, typer.Option("--older-than", help="Hours before the newest frame.", min=0)
    ] = 24.0,
) -> None:
    """Compress the settled part of a store once more; safe to interrupt and to repeat."""
    import numpy as np

    from pipeline.compact import compact as compact_store

    with terminal.bar("compact") as progress:
        report = compact_store(store, np.timedelta64(round(3600 * hours), "s"), progress)
    terminal.show(report.sentence())


def export(
    store: StoreAddress,
    out: Annotated[Path, typer.Argument(help="Archive to be, a folder ending in .zarr.")],
    quantity: Annotated[str, typer.Option(help="rain_rate or reflectivity.")] = "rain_rate",
    creator: Annotated[str | None, typer.Option(help='Who publishes it: "NAME <EMAIL>".')] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX; by default the store's.")] = None,
    identifier: Annotated[
        str | None, typer.Option(help="COUNTRY-ENTITY-QUANTITY, such as FI-fmi-rain_rate.")
    ] = None,
    made_with: Annotated[
        str | None, typer.Option(help="Repository and version of the software that made it.")
    ] = None,
) -> None:
    """Write an MLCast archive: CF zarr that other programs read without knowing this one."""
    from pipeline.export import export_archive
    from pipeline.mlcast import NOBODY, Credits, quantity_named

    publisher = Credits(creator or NOBODY, identifier, licence, made_with)
    with terminal.bar("export") as progress:
        archive = export_archive(
            store,
            out,
            quantity=quantity_named(quantity),
            publisher=publisher,
            progress=progress,
        )
    terminal.show(str(archive))

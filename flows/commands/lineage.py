"""From what was made back to what it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import terminal
from flows.options import Json

if TYPE_CHECKING:
    from flows.links import Link, UsedFrame

SHOWN = 3
SHOWN_DIGITS = 16


def lineage(
    file: Annotated[
        Path,
        typer.Argument(
            help="A forecast, scores.nc, report.html, a checkpoint or a tensor set.", metavar="FILE"
        ),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--files",
            help="Folder in which radar files are looked for; the inbox of nowcast.toml if there "
            "is one; repeatable.",
        ),
    ] = None,
    hashed: Annotated[
        bool, typer.Option("--hash", help="SHA-256 of the radar files, and every frame read again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a file was made of, back to the radar files, and what has changed since.

    Exit code: 0 if all is there as it was, 1 if something is missing or differs.
    """
    from flows.lineage import trace
    from flows.source_files import Sources

    with terminal.bar("lineage") as progress:
        link = trace(file, Sources(tuple(files or _inbox()), hashed, progress))
    if as_json:
        terminal.show_json(link.to_json())
    else:
        _show(link)
    raise typer.Exit(int(bool(link.faults)))


def _inbox() -> list[Path]:
    """The configured folder of radar files, where there is a configuration."""
    from flows.service.configuration import NAME, Configuration

    return [Configuration.load().inbox] if Path(NAME).is_file() else []


def _show(link: Link) -> None:
    """The chain, a line a link, and the frames at both ends."""
    for depth, behind in link.walk():
        facts = ", ".join(
            f"{name} {value}"
            for name, value in behind.facts.items()
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        )
        told = f"{behind.name} ({facts})" if facts else behind.name
        terminal.show(f"{'  ' * depth}{behind.kind}: {told}")
        for line in _frame_lines(behind.frames):
            terminal.show(f"{'  ' * (depth + 1)}{line}")
    for fault in link.faults:
        terminal.complain(fault)


def _frame_lines(frames: tuple[UsedFrame, ...]) -> list[str]:
    lines = [
        "  ".join(filter(None, (frame.valid_time, frame.state, frame.content_hash, _file(frame))))
        for frame in frames
    ]
    hidden = len(lines) - 2 * SHOWN
    if hidden <= 1:
        return lines
    return [*lines[:SHOWN], f"… {hidden} more", *lines[-SHOWN:]]


def _file(frame: UsedFrame) -> str:
    sha256 = f"SHA-256 {frame.sha256[:SHOWN_DIGITS]}…" if frame.sha256 else ""
    return f"{frame.source}  {sha256}".strip()

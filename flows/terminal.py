"""What the command line shows: bars, tables, sentences."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Say = Callable[[str], None]

# addresses and paths may look like markup or like emoji
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, shown on a terminal only; call it with done and all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=errors, disable=not errors.is_terminal
    ) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show(message: str) -> None:
    """A line on standard output."""
    console.print(message)


def complain(message: str) -> None:
    """A line on standard error."""
    errors.print(message)


def show_json(value: Any) -> None:
    """A value as JSON on standard output, for programs."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, allow_nan=False) + "\n")


def show_facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names and values, one pair a row."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def show_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True
) -> None:
    """A table whose first column is text and whose others are numbers, or text too."""
    table = Table(
        title=title, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for number, name in enumerate(header):
        table.add_column(name, no_wrap=numbers, justify="right" if number and numbers else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)

"""A bar for those who watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(name: str, steps: int) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """A bar on stderr; yields what `fit` takes as its progress."""
    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        entry = bar.add_task(name, total=steps, figures="")

        def show(step: int, record: Mapping[str, float]) -> None:
            figures = f"loss {record['loss']:.4f}, {record['samples_per_second']:.0f} samples/s"
            bar.update(entry, completed=step, figures=figures)

        yield show

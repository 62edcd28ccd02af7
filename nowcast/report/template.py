"""Pages that need nothing but themselves, written whole."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from nowcast.report import wording


def render_page(template: str, *, filters: dict[str, Any], **shown: Any) -> str:
    """The text of a page.

    Args:
        template: A file of this folder, or of a folder in it as FOLDER/NAME.
        filters: Name → function, besides `duration` and `percent`.
        shown: What the template names.
    """
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=wording.duration, percent=wording.percent, **filters)
    return environment.get_template(template).render(**shown)


def write_whole(path: Path, page: str) -> Path:
    """Write a page; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(path)


def _resource(name: str) -> str:
    return files("nowcast.report").joinpath(name).read_text(encoding="utf-8")

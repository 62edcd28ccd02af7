"""The inside of trained networks as pictures."""

from __future__ import annotations

from nowcast.report.inside.section import inside_figures

__all__ = ["inside_figures"]

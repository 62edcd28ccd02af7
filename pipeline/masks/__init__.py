"""Pictures with masks, of any layout, and batches of them."""

from __future__ import annotations

from pipeline.masks.loader import MaskLoader
from pipeline.masks.sets import MaskSet, MaskSplit, Part

__all__ = ["MaskLoader", "MaskSet", "MaskSplit", "Part"]

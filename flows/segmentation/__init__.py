"""Segment pictures: data and recipe in, a trained network, its scores and its page out."""

from __future__ import annotations

from flows.segmentation.data import Segmentation
from flows.segmentation.segmented import Segmented, segment

__all__ = ["Segmentation", "Segmented", "segment"]

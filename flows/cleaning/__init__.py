"""Clean radar: stores and recipe in; a trained cleaner, its figures beside filters and a page."""

from __future__ import annotations

from flows.cleaning.cleaned import Cleaned, clean_radar
from flows.cleaning.data import RadarCleaning
from flows.cleaning.judge import compare_cleaners

__all__ = ["Cleaned", "RadarCleaning", "clean_radar", "compare_cleaners"]

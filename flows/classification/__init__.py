"""Classify images: data and recipe in, a trained network, its scores and its page out."""

from __future__ import annotations

from flows.classification.classified import Classification, Classified, classify

__all__ = ["Classification", "Classified", "classify"]

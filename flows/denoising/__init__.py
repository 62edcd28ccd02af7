"""Restore images: data and recipe in, trained networks, their scores beside others' and a page."""

from __future__ import annotations

from flows.denoising.data import Denoising
from flows.denoising.denoised import Denoised, denoise

__all__ = ["Denoised", "Denoising", "denoise"]

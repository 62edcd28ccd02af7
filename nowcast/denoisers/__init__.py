"""Whatever takes noise out of images; CLASSIC is the table of those that need no training."""

from __future__ import annotations

from nowcast.denoisers.classic import CLASSIC, Classic, ClassicDenoiser, tuned
from nowcast.denoisers.denoiser import Denoiser
from nowcast.denoisers.network import NetworkDenoiser
from nowcast.denoisers.pca import PCADenoiser, pca_curve

__all__ = [
    "CLASSIC",
    "Classic",
    "ClassicDenoiser",
    "Denoiser",
    "NetworkDenoiser",
    "PCADenoiser",
    "pca_curve",
    "tuned",
]

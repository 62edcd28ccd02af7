"""The one training loop, and what surrounds it."""

from nowcast.training.fabric import make_fabric
from nowcast.training.loop import BEST, LAST, METRICS, Progress, fit
from nowcast.training.metrics import CurvePoint, MetricsLog, learning_curve, read_metrics
from nowcast.training.progress import progress_bar
from nowcast.training.ranks import is_first_process

__all__ = [
    "BEST",
    "LAST",
    "METRICS",
    "CurvePoint",
    "MetricsLog",
    "Progress",
    "fit",
    "is_first_process",
    "learning_curve",
    "make_fabric",
    "progress_bar",
    "read_metrics",
]

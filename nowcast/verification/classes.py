"""In which rain is a forecast wrong? Errors by observed intensity.

Costs about a fifth of the default parts together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nowcast.verification.continuous import mean_absolute_error, mean_error
from nowcast.verification.counts import count_pixels, dot, total
from nowcast.verification.frame import Frame
from nowcast.verification.part import ANY, BY_LEAD, POSITIVE, Part, Score, Sum

BY_INTENSITY = (*BY_LEAD, "intensity")


def count(frame: Frame) -> dict[str, Tensor]:
    """Pixels, Σ(f − o) and Σ|f − o| in mm/h between neighbouring observed thresholds."""
    events = [plane.view(torch.uint8).float() for plane in frame.observed_events]
    pixels = _between([frame.mask.pixels, *(count_pixels(frame.observed_events))])
    errors, absolute = [], []
    for field in frame.forecast_rate:
        error = field - frame.observed_rate
        size = error.abs()
        errors.append(_between([total(error), *(dot(error, plane) for plane in events)]))
        absolute.append(_between([total(size), *(dot(size, plane) for plane in events)]))
    return {
        "class_pixels": pixels.expand(len(errors), -1),
        "class_error_sum": torch.stack(errors),
        "class_absolute_error_sum": torch.stack(absolute),
    }


def _between(from_level_on: Sequence[Tensor]) -> Tensor:
    levels = torch.stack(list(from_level_on))
    return torch.cat([levels[:-1] - levels[1:], levels[-1:]])


PART = Part(
    count,
    {
        "class_pixels": Sum("compared pixels", BY_INTENSITY, dtype=np.int64),
        "class_error_sum": Sum("sum of rain rate errors", BY_INTENSITY, "mm h-1"),
        "class_absolute_error_sum": Sum("sum of absolute errors", BY_INTENSITY, "mm h-1"),
    },
    {
        "class_mean_error": Score(
            "mean error of rain rate by observed intensity",
            mean_error,
            ("class_error_sum", "class_pixels"),
            ANY,
            "0",
            BY_INTENSITY,
            "mm h-1",
        ),
        "class_mae": Score(
            "mean absolute error of rain rate by observed intensity",
            mean_absolute_error,
            ("class_absolute_error_sum", "class_pixels"),
            POSITIVE,
            "0",
            BY_INTENSITY,
            "mm h-1",
        ),
    },
)

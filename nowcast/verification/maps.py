"""Where is a forecast good? Contingency tables of the cells of a coarse map.

Costs about a sixth of the default parts together.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.verification.categorical import critical_success_index, frequency_bias
from nowcast.verification.frame import Frame
from nowcast.verification.part import BY_THRESHOLD, FRACTION, POSITIVE, Part, Score, Sum

BY_CELL = (*BY_THRESHOLD, "cell_y", "cell_x")


def count(frame: Frame) -> dict[str, Tensor]:
    """The contingency table of every cell of a frame."""
    side = frame.protocol.cell_pixels
    pixels = cell_counts(frame.mask.known, side)
    observed = cell_counts(frame.observed_events, side)
    forecast = cell_counts(frame.forecast_events, side)
    hits = cell_counts(frame.forecast_events & frame.observed_events, side)
    return {
        "map_hits": hits,
        "map_misses": observed - hits,
        "map_false_alarms": forecast - hits,
        "map_correct_negatives": pixels - forecast - observed + hits,
    }


def cell_counts(planes: Tensor, side: int) -> Tensor:
    """True pixels (..., H, W) of each square cell from the first corner on, int64; the last cells
    of a row or column may be cut by the grid's edge."""
    height, width = planes.shape[-2:]
    padded = F.pad(planes.view(torch.uint8), (0, -width % side, 0, -height % side))
    *batch, down, across = padded.shape
    rows = padded.view(*batch, down // side, side, across).sum(-2, dtype=torch.int32)
    return rows.view(*rows.shape[:-1], across // side, side).sum(-1, dtype=torch.int64)


_count = partial(Sum, dims=BY_CELL, dtype=np.int64, pooled=True)
_TABLE = ("map_hits", "map_misses", "map_false_alarms")

PART = Part(
    count,
    {
        "map_hits": _count("events forecast and observed"),
        "map_misses": _count("events observed, not forecast"),
        "map_false_alarms": _count("events forecast, not observed"),
        "map_correct_negatives": _count("pixels without event"),
    },
    {
        "csi_map": Score(
            "critical success index", critical_success_index, _TABLE, FRACTION, "1", BY_CELL
        ),
        "frequency_bias_map": Score(
            "frequency bias", frequency_bias, _TABLE, POSITIVE, "1", BY_CELL
        ),
    },
)

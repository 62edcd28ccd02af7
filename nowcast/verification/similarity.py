"""Does a forecast look like the rain? The structural similarity index.

Costs about one and a half times the default parts together.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from nowcast.verification.counts import ratio
from nowcast.verification.frame import Frame
from nowcast.verification.part import Part, Score, Sum
from nowcast.verification.windows import window_sums

SIGMA, RADIUS, SPAN_DBZ = 1.5, 5, 60.0


def structural_similarity(forecast: Tensor, observed: Tensor, span: float = SPAN_DBZ) -> Tensor:
    """SSIM around every pixel whose window lies in the grid.

    SSIM = (2 μf μo + c1)(2 σfo + c2) / ((μf² + μo² + c1)(σf² + σo² + c2)) of means μ, variances σ²
    and covariance σfo under a Gaussian window of σ = 1.5 in 11 × 11 pixels, c1 = (0.01 · span)²,
    c2 = (0.03 · span)². Range −1 to 1, best 1.

    Args:
        forecast: (N, H, W), of reflectivity dBZ above FLOOR_DBZ.
        observed: (N, H, W) likewise.
        span: From the least to the greatest value there is.

    Returns:
        (N, H − 10, W − 10) float64: in float32 small variances drown in large means.

    Source: Wang et al., 2004, IEEE Transactions on Image Processing 13, 600-612,
        doi:10.1109/TIP.2003.819861.
    """
    forecast, observed = forecast.double(), observed.double()
    terms = (forecast, observed, forecast**2, observed**2, forecast * observed)
    mean_f, mean_o, square_f, square_o, product = (_smooth(term) for term in terms)
    first, second = (0.01 * span) ** 2, (0.03 * span) ** 2
    both = mean_f * mean_o
    covariance = product.sub_(both)
    squares = mean_f.square_().add_(mean_o.square_())
    variances = square_f.add_(square_o).sub_(squares)
    above = both.mul_(2).add_(first).mul_(covariance.mul_(2).add_(second))
    return above.div_(squares.add_(first).mul_(variances.add_(second)))


def _smooth(field: Tensor) -> Tensor:
    """(N, H, W) under the Gaussian window."""
    places = range(-RADIUS, RADIUS + 1)
    window = [math.exp(-(place**2) / (2 * SIGMA**2)) for place in places]
    for axis in (-2, -1):
        count = field.shape[axis] - 2 * RADIUS
        smooth = torch.zeros_like(field.narrow(axis, 0, count))
        for place, weight in enumerate(window):
            smooth.add_(field.narrow(axis, place, count), alpha=weight / sum(window))
        field = smooth
    return field


def count(frame: Frame) -> dict[str, Tensor]:
    """Σ SSIM over the pixels whose whole window is compared, and their number."""
    side = 2 * RADIUS + 1
    known, forecasters = frame.mask.known, len(frame.members)
    if min(known.shape) < side:
        nothing = torch.zeros(forecasters, dtype=torch.float64, device=known.device)
        return {"ssim_sum": nothing, "ssim_pixels": nothing}
    inner = slice(RADIUS, -RADIUS)
    whole = next(window_sums(known, [side]))[inner, inner] == side**2
    sums = [
        (structural_similarity(field[None], frame.observed_floored[None])[0] * whole).sum()
        for field in frame.forecast_floored
    ]
    return {"ssim_sum": torch.stack(sums), "ssim_pixels": whole.sum().expand(forecasters)}


def mean_similarity(similarity: Tensor, pixels: Tensor) -> Tensor:
    """Mean structural similarity of reflectivity above FLOOR_DBZ.

    SSIM as of `structural_similarity`, averaged over pixels. Range −1 to 1, best 1. Two dry places
    are alike: it is high where it rains little.

    Args:
        similarity: Sums of any shape; the two must broadcast.
        pixels: Their number.

    Missing: A window with a missing pixel counts for nothing.

    Undefined: NaN where no whole window was compared.

    Source: Wang et al., 2004, IEEE Transactions on Image Processing 13, 600-612,
        doi:10.1109/TIP.2003.819861.
    """
    return ratio(similarity, pixels)


PART = Part(
    count,
    {
        "ssim_sum": Sum("sum of structural similarity"),
        "ssim_pixels": Sum("pixels with a whole window", dtype=np.int64),
    },
    {
        "ssim": Score(
            "structural similarity index",
            mean_similarity,
            ("ssim_sum", "ssim_pixels"),
            "-1 to 1",
            "1",
        )
    },
)

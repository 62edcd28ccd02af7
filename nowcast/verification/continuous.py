"""How far was the rain rate off? Scores from sums of errors in mm/h."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nowcast.verification.categorical import ratio


class ErrorSums(NamedTuple):
    """Sums over pixels of error, |error| and error², float64, any shape."""

    error: Tensor
    absolute: Tensor
    squared: Tensor


def sum_errors(forecast: Tensor, observed: Tensor, known: Tensor) -> ErrorSums:
    """Sums over the known pixels of forecast − observed.

    Args:
        forecast: (..., H, W) mm/h.
        observed: (..., H, W) mm/h; broadcasts with `forecast`.
        known: (..., H, W) bool, the pixels to compare.

    Missing: Pixels that are not known count for nothing.
    """
    error = torch.where(known, forecast - observed, 0)
    return ErrorSums(*(_total(term) for term in (error, error.abs(), error.square())))


def _total(terms: Tensor) -> Tensor:
    return terms.sum(-1).sum(-1, dtype=torch.float64)


def mean_error(error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Mean of forecast − observed.

    ME = Σ(forecast − observed) / pixels. Range −∞ to ∞, best 0.
    Also called: additive bias.

    Args:
        error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82.
    """
    return ratio(error_sum, pixels)


def mean_absolute_error(absolute_error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Mean size of the error. A blurred forecast is rewarded: read it beside frequency bias.

    MAE = Σ|forecast − observed| / pixels. Range 0 to ∞, best 0.

    Args:
        absolute_error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82.
    """
    return ratio(absolute_error_sum, pixels)


def root_mean_square_error(squared_error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Root of the mean squared error. Ruled by the heaviest rain; rewards blur as MAE does.

    RMSE = √(Σ(forecast − observed)² / pixels). Range 0 to ∞, best 0.

    Args:
        squared_error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82.
    """
    return ratio(squared_error_sum, pixels).sqrt()


def skill(error: Tensor, reference_error: Tensor) -> Tensor:
    """Share of the reference forecast's error that a forecast saves.

    Skill = 1 − error / reference_error. Range −∞ to 1, best 1, 0 for no better than the reference.

    Args:
        error: MAE or RMSE of any shape; the two must broadcast.
        reference_error: The same of the reference forecast.

    Undefined: NaN where the reference has no error.

    Source: Murphy, 1988, Monthly Weather Review 116, 2417-2424.
    """
    return 1 - ratio(error, reference_error)


def missing_share(missing_pixels: Tensor, observed_pixels: Tensor) -> Tensor:
    """Share of the observed pixels that the forecaster left missing.

    Range 0 to 1, best 0.

    Args:
        missing_pixels: Counts of any shape: observed, missing in the forecast.
        observed_pixels: Counts: observed.

    Undefined: NaN where nothing was observed.
    """
    return ratio(missing_pixels, observed_pixels)

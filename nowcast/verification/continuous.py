"""How far was the rain off? Scores from sums of errors, in mm/h and in dBZ."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nowcast.verification.counts import dot, ratio, total
from nowcast.verification.frame import Frame
from nowcast.verification.part import ANY, POSITIVE, Part, Score, Sum


class ErrorSums(NamedTuple):
    """Sums over pixels of forecast f and observed o, float64, any shape."""

    error: Tensor
    absolute_error: Tensor
    squared_error: Tensor
    forecast: Tensor
    observed: Tensor
    squared_forecast: Tensor
    squared_observed: Tensor
    product: Tensor


def sum_errors(forecast: Tensor, observed: Tensor) -> ErrorSums:
    """Sums over the pixels of one field, of f − o, |f − o|, (f − o)², f, o, f², o² and f o.

    Args:
        forecast: (H, W) float32, 0 where nothing is compared.
        observed: (H, W) likewise.
    """
    error = forecast - observed
    signed, squared = total(error), dot(error, error)
    return ErrorSums(
        signed,
        total(error.abs_()),
        squared,
        total(forecast),
        total(observed),
        dot(forecast, forecast),
        dot(observed, observed),
        dot(forecast, observed),
    )


def mean_error(error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Mean of forecast − observed.

    ME = Σ(forecast − observed) / pixels. Range −∞ to ∞, best 0.
    Also called: additive bias.

    Args:
        error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82, doi:10.3354/cr030079.
    """
    return ratio(error_sum, pixels)


def mean_absolute_error(absolute_error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Mean size of the error. A blurred forecast is rewarded: read it beside frequency bias.

    MAE = Σ|forecast − observed| / pixels. Range 0 to ∞, best 0.

    Args:
        absolute_error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82, doi:10.3354/cr030079.
    """
    return ratio(absolute_error_sum, pixels)


def root_mean_square_error(squared_error_sum: Tensor, pixels: Tensor) -> Tensor:
    """Root of the mean squared error. Ruled by the heaviest rain; rewards blur as MAE does.

    RMSE = √(Σ(forecast − observed)² / pixels). Range 0 to ∞, best 0.

    Args:
        squared_error_sum: Sums of any shape; the two must broadcast.
        pixels: Number of compared pixels.

    Undefined: NaN where no pixel was compared.

    Source: Willmott and Matsuura, 2005, Climate Research 30, 79-82, doi:10.3354/cr030079.
    """
    return ratio(squared_error_sum, pixels).sqrt()


def skill(error: Tensor, reference_error: Tensor) -> Tensor:
    """Share of the reference forecast's error that a forecast saves.

    Skill = 1 − error / reference_error. Range −∞ to 1, best 1, 0 for no better than the reference.

    Args:
        error: MAE or RMSE of any shape; the two must broadcast.
        reference_error: The same of the reference forecast.

    Undefined: NaN where the reference has no error.

    Source: Murphy, 1988, Monthly Weather Review 116, 2417-2424,
        doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2.
    """
    return 1 - ratio(error, reference_error)


def correlation(
    forecast: Tensor,
    observed: Tensor,
    squared_forecast: Tensor,
    squared_observed: Tensor,
    product: Tensor,
    pixels: Tensor,
) -> Tensor:
    """Pearson's correlation of forecast f and observed o over all pixels of all fields.

    r = (n Σfo − Σf Σo) / √((n Σf² − (Σf)²)(n Σo² − (Σo)²)). Range −1 to 1, best 1.

    Args:
        forecast: Sums Σf of any shape; the six must broadcast.
        observed: Σo.
        squared_forecast: Σf².
        squared_observed: Σo².
        product: Σfo.
        pixels: Number n of compared pixels.

    Undefined: NaN where one of the two is constant, to the rounding of the sums.

    Source: Wilks, 2019, Statistical Methods in the Atmospheric Sciences, 4th ed., Elsevier,
        doi:10.1016/C2017-0-03921-6.
    """
    n = pixels.to(torch.float64)
    here, there = (
        torch.where(spread > 1e-6 * n * square, spread, torch.nan)
        for square, spread in (
            (squared_forecast, n * squared_forecast - forecast**2),
            (squared_observed, n * squared_observed - observed**2),
        )
    )
    return ((n * product - forecast * observed) / (here * there).sqrt()).clamp(-1, 1)


def count(frame: Frame) -> dict[str, Tensor]:
    """The sums of errors of a frame, in mm/h and in dBZ."""
    in_rate = [sum_errors(field, frame.observed_rate) for field in frame.forecast_rate]
    in_dbz = [sum_errors(field, frame.observed_floored) for field in frame.forecast_floored]
    sums = {}
    for quantity, rows in (("", in_rate), ("dbz_", in_dbz)):
        for name, values in zip(ErrorSums._fields, zip(*rows, strict=True), strict=True):
            sums[f"{quantity}{name}_sum"] = torch.stack(values)
    return sums


_WORDS = {
    "error": "forecast minus observed",
    "absolute_error": "absolute errors of",
    "squared_error": "squared errors of",
    "forecast": "forecast",
    "observed": "observed",
    "squared_forecast": "squared forecast",
    "squared_observed": "squared observed",
    "product": "forecast times observed",
}
_MOMENTS = ("forecast", "observed", "squared_forecast", "squared_observed", "product")
_LINEAR = ("error", "absolute_error", "forecast", "observed")


def _sums(prefix: str, quantity: str, unit: str, squared: str) -> dict[str, Sum]:
    return {
        f"{prefix}{name}_sum": Sum(
            f"sum of {words} {quantity}", units=unit if name in _LINEAR else squared
        )
        for name, words in _WORDS.items()
    }


def _scores(prefix: str, suffix: str, quantity: str, unit: str) -> dict[str, Score]:
    def score(words: str, function: Callable[..., Tensor], name: str, reach: str) -> Score:
        sums = (f"{prefix}{name}_sum", "pixels")
        return Score(f"{words} of {quantity}", function, sums, reach, "0", units=unit)

    moments = tuple(f"{prefix}{name}_sum" for name in _MOMENTS)
    return {
        f"mae{suffix}": score(
            "mean absolute error", mean_absolute_error, "absolute_error", POSITIVE
        ),
        f"rmse{suffix}": score(
            "root mean square error", root_mean_square_error, "squared_error", POSITIVE
        ),
        f"mean_error{suffix}": score("mean error", mean_error, "error", ANY),
        f"correlation{suffix}": Score(
            f"correlation of {quantity}", correlation, (*moments, "pixels"), "-1 to 1", "1"
        ),
    }


PART = Part(
    count,
    _sums("", "rain rate", "mm h-1", "mm2 h-2") | _sums("dbz_", "reflectivity", "dBZ", "dBZ2"),
    _scores("", "", "rain rate", "mm h-1") | _scores("dbz_", "_dbz", "reflectivity", "dBZ"),
)

"""The rain that blur took away, given back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.batch import NO_ECHO


def match_distribution(forecast: Tensor, reference: Tensor) -> Tensor:
    """Forecasts with the reflectivities of a reference, in the forecasts' own order.

    The k-th strongest pixel of a forecast takes the k-th strongest reflectivity of the reference;
    the weakest echoes, beyond the reference's wet area, become no echo. The means of squared
    errors or of errors that a network learns to give are blurred: their rain is too wide and too
    weak, but in the right place.

    Args:
        forecast: (B, S, H, W) dBZ, NaN where missing.
        reference: (B, 1, H, W) dBZ, NaN where missing.

    Missing: where the forecast is; pixels that one of both lacks have no say in the ranks.

    Source: Ebert, 2001, Monthly Weather Review 129, 2461-2480 (probability matching).
    """
    matched = torch.empty_like(forecast)
    for sample in range(forecast.shape[0]):
        for step in range(forecast.shape[1]):
            matched[sample, step] = _match(forecast[sample, step], reference[sample, 0])
    return matched


def _match(forecast: Tensor, reference: Tensor) -> Tensor:
    known = ~(forecast.isnan() | reference.isnan())
    echoes = reference[known & (reference > NO_ECHO)].sort(descending=True).values
    rank = torch.where(known, forecast, -math.inf).flatten()
    count = min(len(echoes), int((known & (forecast > NO_ECHO)).sum()))
    matched = torch.where(forecast.isnan(), math.nan, NO_ECHO).flatten()
    matched[rank.topk(count).indices] = echoes[:count]
    return matched.view_as(forecast)
